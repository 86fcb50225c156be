"""What commands do, and that the customer sees that something is being done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.desk.receive import Receiver
from bot.dialogue.commands import BEGIN, NAMES, commands
from bot.model import ChatRef, Mode
from bot.storage.store import Store
from tests.fakes import FakeAdapter, FakeClock, WakeLog, a_message
from tests.integration.desk import Desk, a_desk


class Showing(FakeAdapter):
    def __init__(self) -> None:
        super().__init__()
        self.shown: list[ChatRef] = []

    def working(self, chat: ChatRef) -> None:
        self.shown.append(chat)


def test_every_command_has_a_name_and_a_label_that_platforms_take(catalogue: Catalogue) -> None:
    every = commands(catalogue, "en")
    assert len({command.name for command in every}) == len(every)
    assert all(re.fullmatch("[a-z0-9_]{1,32}", command.name) for command in every)
    assert all(command.label is None or 0 < len(command.label) <= 100 for command in every)
    assert next(command.language for command in every) == "en", "whoever speaks neither language gets the default one"


def test_the_guide_tells_every_command() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "telegram.md").read_text()
    assert [name for names in NAMES.values() for name in (*names, BEGIN) if f"`/{name}`" not in guide] == []


@pytest.mark.parametrize("language", ["de", "en"])
async def test_every_command_is_answered(desk: Desk, catalogue: Catalogue, language: str) -> None:
    every = [command for command in commands(catalogue, "de") if command.language == language]
    for number, command in enumerate(every):
        await desk.receive(a_message(f"/{command.name}", action=command.action, chat=f"c{number}"))
        await desk.handle_all()
        await desk.deliver_all()
    assert sorted({chat for chat, _ in desk.adapter.sent}) == [f"c{number}" for number in range(len(every))]


async def test_a_person_who_is_called_with_a_reason_learns_the_reason(desk: Desk) -> None:
    await desk.receive(a_message("Der Drucker ist kaputt", action="person"))
    await desk.handle_all()
    [ticket] = await desk.tickets()
    assert (ticket.reason, ticket.subject) == ("person", "Der Drucker ist kaputt")


async def test_something_new_is_asked_for_and_what_was_spoken_of_before_does_not_get_into_it(desk: Desk) -> None:
    await desk.receive(a_message("Guten Tag"))
    await desk.receive(a_message("/neu", action="new"))
    await desk.handle_all()
    await desk.deliver_all()
    assert "Angaben" in desk.adapter.texts[-1]
    assert await desk.tickets() == []


async def test_staff_are_not_shown_that_a_reply_to_them_is_being_worked_on(store: Store) -> None:
    adapter = Showing()
    receive = Receiver(
        store, WakeLog(), FakeClock(), adapters={"fake": adapter}, for_staff=lambda chat: chat.chat_id == "staff"
    )
    await receive(a_message("Ich übernehme", chat="staff"))
    await receive(a_message("Guten Tag"))
    assert adapter.shown == [ChatRef("fake", "c1")]


async def test_that_a_reply_is_being_worked_on_is_shown_unless_a_person_has_the_word(
    store: Store, catalogue: Catalogue
) -> None:
    adapter = Showing()
    async with a_desk(store, catalogue, adapter=adapter) as desk:
        conversation = await desk.conversation_of(a_message("Guten Tag"))
        assert adapter.shown == [ChatRef("fake", "c1")], "while more may come, already"
        await desk.handle_all()
        adapter.shown.clear()
        await desk.set_mode(conversation, Mode.HUMAN)
        await desk.receive(a_message("Noch da?"))
        await desk.handle_all()
        assert adapter.shown == []
