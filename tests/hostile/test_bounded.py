"""The longest and most tangled messages are read, quoted and sent in a time that grows with their length and no faster.

No time is measured: what grows with the square would take many minutes here, and is stopped.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from adapters import markup
from adapters.invitations import invitation
from adapters.mail import mailable
from adapters.markup import Run, Style, parse, split
from adapters.slack import inbound as slack
from adapters.slack.outbound import render as render_slack
from adapters.telegram import inbound as telegram
from adapters.telegram.outbound import render as render_telegram
from bot.agreement.customers import Organisation, claimed
from bot.desk.audience import heard
from bot.dialogue import assent, cues, facts, pending
from bot.dialogue.voice import quoted
from bot.files.names import harmless
from bot.model import ChatRef, OutboundMessage, Person
from bot.nlu import text as nlu
from bot.room import orders

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SLACK_ME, TELEGRAM_ME = slack.Me("T1", "UBOT"), telegram.Me(42, "firstline_bot")
LIMIT = 60
"""Seconds after which a reader is taken to have lost itself; each takes far less than one where nobody else works."""

SHAPES = {
    "blanks": " ",
    "lines": "\n",
    "lines of signs": "!\n",
    "short lines": "[a]: x\n",
    "zalgo": "a\u0301\u0323",
    "emoji": "👩‍👩‍👧‍👦",
    "bidi": "\u202e\u2066",
    "surrogates": "\ud800",
    "NUL": "\x00",
    "digits": "1",
    "dates": "1.1.",
    "one word": "a",
    "numbers and letters": "1a",
    "a number and a word": "1" + "a" * 50_000,
    "underlined": "_",
    "mentions": "<@UBOT> ",
    "open mentions": "<@UBOT|",
    "angles": "<",
    "quotes": "\"'",
    "tickets": "HD-",
    "since": "seit dem ",
    "counts": "zwei ",
    "yes and no": "ja nein aber ",
    "mail": "a@a.",
    "headers": "von: an: ",
    "frames": 'file "',
    "dots": ". ",
    "quoted mail": "> ",
    "colons": "aError: ",
    "commands": "/a ",
    "notes": "note: ",
    "hellos": "hallo ",
    "wishes": "mit freundlichen ",
}


@contextmanager
def not_for_ever() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it was not done after {LIMIT} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _long(shape: str, length: int) -> str:
    return (shape * (length // len(shape) + 1))[:length] + "x"


def from_slack(text: str) -> str:
    event = {"type": "message", "channel": "D1", "channel_type": "im", "user": "U5", "ts": "1700000000.000001"}
    message = slack.to_inbound({"type": "event_callback", "event": {**event, "text": text}}, SLACK_ME, NOW)
    assert message is not None
    return message.text


def from_telegram(text: str) -> str:
    message: dict[str, Any] = {
        "message_id": 1,
        "date": 1700000000,
        "chat": {"id": 5, "type": "private"},
        "from": {"id": 5, "first_name": "Ada"},
        "text": text,
    }
    found = telegram.to_inbound({"update_id": 1, "message": message}, TELEGRAM_ME, NOW)
    assert found is not None
    return found.text


CUES = (
    *(cues.not_helped, cues.helped, cues.settled, cues.contests, cues.prefers_remote, cues.rules_out_remote),
    *(cues.wants_workaround, cues.drops, cues.is_discreet, cues.asks_for_terms, cues.sets_condition, cues.wants_person),
    *(cues.goes_on, cues.only_a_ticket, assent.assent, assent.yes_in_so_many_words, assent.withdraws),
)
ADA = Organisation("1", "Ada Werke GmbH", "10442")

READERS: dict[str, Callable[[str], object]] = {
    "Slack": from_slack,
    "Telegram": from_telegram,
    "understanding": nlu.read,
    "spelling": nlu.fold,
    "facts": facts.facts,
    "numbers of tickets": facts.ticket_numbers,
    "names of files": harmless,
    "addresses": mailable,
    "invitations": invitation,
    "orders of staff": orders.typed,
    "who it is": lambda text: claimed(text, [ADA]),
    "what is missing of that": lambda text: pending._missing(f"{text} 123"),
    "notes of staff": lambda text: heard(text, Person("1", "Ada"), None),
    **{f"cue {cue.__name__}": cue for cue in CUES},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_any_message_is_read_in_a_time_that_grows_with_its_length(shape: str) -> None:
    text = _long(SHAPES[shape], 400_000)
    for reader in READERS.values():
        with not_for_ever():
            reader(text)


@pytest.mark.parametrize("shape", SHAPES)
def test_any_message_can_be_quoted_and_sent(shape: str) -> None:
    text = quoted(_long(SHAPES[shape], 40_000))
    for chat, render in ((ChatRef("slack", "T1:D1"), render_slack), (ChatRef("telegram", "1"), render_telegram)):
        with not_for_ever():
            parts = render(OutboundMessage(chat, text))
        assert parts


TANGLED: dict[str, str | tuple[str, ...]] = {
    "stars": "*",
    "strokes": "~",
    "backticks": "`",
    "bars": "_",
    "brackets": "[",
    "angles": "<",
    "images": "![",
    "open links": "[a](",
    "bold words": "**a** ",
    "slanted letters": "*a",
    "code": "a`b",
    "bold lines": "*a*\n",
    "struck words": "~~a~~ ",
    "addresses": "<https://a.de> ",
    "links": "[a](https://a.de) ",
    "ampersands": "**&** ",
    "nested": ("*a **b ", "b** a* "),
    "nested and slanted": ("_a __b ~~c ", "c~~ b__ a_ "),
    "bold blanks": ("**a", "\xa0", "b**"),
    "quotations": "> ",
    "lists": "- ",
}
"""What is repeated; of several, each by itself before the next."""
RENDERERS = {
    "slack": (ChatRef("slack", "T1:D1"), render_slack),
    "telegram": (ChatRef("telegram", "1"), render_telegram),
}


def _tangled(shape: str, length: int) -> str:
    found = TANGLED[shape]
    pieces = found if isinstance(found, tuple) else (found,)
    return "".join((piece * (length // len(piece) // len(pieces) + 1)) for piece in pieces)[:length]


def steps(work: Callable[[], object]) -> int:
    """How many calls it takes: a measure that does not depend on the machine, nor on who else works on it."""
    count = 0

    def called(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("platform", RENDERERS)
@pytest.mark.parametrize("shape", TANGLED)
def test_what_staff_write_is_rendered_in_work_that_grows_with_its_length(shape: str, platform: str) -> None:
    chat, render = RENDERERS[platform]

    def work(length: int) -> int:
        message = OutboundMessage(chat, _tangled(shape, length))
        markup._remembered.cache_clear()  # another platform may have shown the same
        return steps(lambda: render(message))

    shorter = max(work(4_000), work(5_000) * 4 // 5)  # one that fits in whole costs less than its share
    assert work(16_000) < 6 * shorter + 10_000


@pytest.mark.parametrize("platform", RENDERERS)
@pytest.mark.parametrize("shape", ["slanted letters", "nested", "bold blanks"])
def test_a_hundred_thousand_signs_of_staff_are_rendered(shape: str, platform: str) -> None:
    chat, render = RENDERERS[platform]
    with not_for_ever():
        assert render(OutboundMessage(chat, _tangled(shape, 100_000)))


def test_a_text_of_many_pieces_is_split_in_work_that_grows_with_its_length() -> None:
    bold, runs = (Style("bold"),), 1_000

    def work(times: int) -> int:
        text = [Run("a", bold), Run(" b ")] * (runs * times)
        return steps(lambda: list(split(text, 40, lambda part: sum(len(run.text) for run in part))))

    assert work(4) < 6 * work(1)


def test_what_wears_the_same_is_one_run() -> None:
    [run] = parse(r"\*a\* \_b\_")
    assert run.text == "*a* _b_"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("<@UBOT> hallo", "hallo"),
        ("hallo   <@UBOT>: Druck geht nicht", "hallo Druck geht nicht"),
        ("   <@UBOT>   hallo", "hallo"),
        ("a <@UBOT> <@UBOT> b", "a b"),
    ],
)
def test_the_name_of_the_bot_goes_with_the_blank_before_it(said: str, read: str) -> None:
    assert from_slack(said) == read


def test_a_thousand_mentions_are_read() -> None:
    text = "@firstline_bot " * 1000
    entities = [{"type": "mention", "offset": 15 * n, "length": 14} for n in range(1000)]
    message = {
        "message_id": 1,
        "date": 1700000000,
        "chat": {"id": -5, "type": "group"},
        "from": {"id": 5, "first_name": "Ada"},
        "text": text + "geht nicht",
        "entities": entities,
    }
    with not_for_ever():
        found = telegram.to_inbound({"update_id": 1, "message": message}, TELEGRAM_ME, NOW)
    assert found is not None
    assert found.text == "geht nicht"
