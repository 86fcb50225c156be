"""The contract where it applies to a terminal: a transcript in, replies out, one after the other."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from adapters.terminal import Format, TerminalAdapter
from bot.errors import DatabaseError
from bot.model import Button, ChatRef, OutboundMessage
from tests.adapters.platforms import Inbox


class Typist:
    """Somebody at a terminal whose lines are known; ``answers`` are said after each of them."""

    def __init__(self, lines: str, *, form: Format = "plain", answers: tuple[OutboundMessage, ...] = ()) -> None:
        self.shown = io.StringIO()
        self.inbox = Inbox()
        self._answers = list(answers)
        self.adapter = TerminalAdapter(
            answered=self._answered,
            form=form,
            source=io.StringIO(lines),
            target=self.shown,
        )

    async def _answered(self) -> None:
        if self.inbox.arrived and self._answers:
            for part in self.adapter.render(self._answers.pop(0)):
                await self.adapter.send(part)

    async def type(self) -> None:
        await self.adapter.run(self.inbox.receive)


def answer(text: str, *buttons: Button) -> OutboundMessage:
    return OutboundMessage(ChatRef("terminal", "x"), text, buttons)


async def test_each_line_is_a_message_of_its_own_in_order_even_if_it_says_the_same() -> None:
    typist = Typist("Hallo & <Welt>\n\n  Hallo & <Welt>  \nEnde")
    await typist.type()
    arrived = typist.inbox.arrived
    assert [message.text for message in arrived] == ["Hallo & <Welt>", "Hallo & <Welt>", "Ende"]
    assert len({message.message_id for message in arrived}) == 3
    assert len({message.chat for message in arrived}) == 1
    assert all(message.sent_at.tzinfo is not None and message.sender.id for message in arrived)


async def test_a_line_waits_until_the_one_before_is_received() -> None:
    typist = Typist("eins\nzwei")
    typist.inbox.gate.clear()
    typing = asyncio.create_task(typist.type())
    await asyncio.sleep(0.1)
    assert [message.text for message in typist.inbox.tried] == ["eins"]
    typist.inbox.gate.set()
    await typing
    assert [message.text for message in typist.inbox.arrived] == ["eins", "zwei"]


async def test_a_line_that_cannot_be_received_is_no_quiet_loss() -> None:
    typist = Typist("eins\nzwei")
    typist.inbox.fail = 1
    with pytest.raises(DatabaseError):
        await typist.type()
    assert typist.inbox.arrived == []


async def test_a_number_presses_the_button_that_it_stands_for_and_only_while_it_is_shown() -> None:
    yes_or_no = answer("Ja oder nein?", Button("Ja", "yes"), Button("Nein", "no"))
    typist = Typist("Hallo\n2\n2\n", answers=(yes_or_no, answer("Gut.")))
    await typist.type()
    assert [(message.text, message.action) for message in typist.inbox.arrived] == [
        ("Hallo", None),
        ("", "no"),
        ("2", None),
    ]


@pytest.mark.parametrize("form", ["plain", "json", "rich"])
async def test_whatever_is_said_is_shown_in_full(form: Format) -> None:
    text = "\n\n".join(f"Absatz {number}: [b] <i> & wörtlich 😀" for number in range(200))
    typist = Typist("Hallo", form=form, answers=(answer(text, Button("Ja [so]", "yes")),))
    await typist.type()
    shown = typist.shown.getvalue()
    if form == "json":
        line = json.loads(shown)
        assert (line["text"], line["buttons"]) == (text, [{"label": "Ja [so]", "action": "yes"}])
    else:
        assert all(f"Absatz {number}: [b] <i> & wörtlich 😀" in shown for number in range(200))
        assert "Ja [so]" in shown
