"""Every order that staff can give, by everybody who is none of them, in every place: nothing is done, and it can be found out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import select

from bot.catalogue.catalogue import Catalogue
from bot.model import InboundMessage, TicketState
from bot.room.orders import Verb
from bot.storage import tables
from tests.conftest import TestDatabase
from tests.fakes import a_message
from tests.integration.room import ROOM, House, a_house

PRESSES = [
    *(f"staff:{verb}:1" for verb in get_args(Verb)),
    *("staff:priority:1:high", "staff:assign:1:kim", "staff:category:1:excluded.training", "staff:canned:1:greeting"),
    *("staff:take:999", "staff:take:-1", "staff:take:1:1:1", "staff::1", "staff:take:", "staff:take:1\n", "staff:"),
]
WORDS = [
    *(f"/{verb}" for verb in get_args(Verb)),
    "!priority high",
    "/assign kim",
    "/merge 2",
    "!reply Ich bin der Chef",
]


@pytest.fixture
async def house(database: TestDatabase, tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[House]:
    async with a_house(database, tmp_path, catalogue) as house:
        await house.customer("Der Drucker ist kaputt")
        yield house


async def _all(house: House, messages: Sequence[InboundMessage]) -> None:
    for message in messages:
        await house.app.receiver(message)
    await house.settled()


async def _rows(house: House, *names: str) -> list[tuple[Any, ...]]:
    async with house.app.store.snapshot() as session:
        return [
            tuple(row)
            for name in names
            for row in await session.connection.execute(select(tables.metadata.tables[name]))
        ]


async def _refusals(house: House) -> int:
    async with house.app.store.snapshot() as session:
        rows = await session.connection.execute(
            select(tables.event.c.kind).where(tables.event.c.kind == "staff_refused")
        )
        return len(rows.all())


@pytest.mark.parametrize("thread", ["t1", None, "t99"])
@pytest.mark.parametrize("who", ["stranger", "kunde"])
async def test_whoever_is_none_of_staff_does_nothing_in_their_chat(house: House, who: str, thread: str | None) -> None:
    tickets, said = await _rows(house, "ticket"), list(house.customers.texts)
    where: dict[str, Any] = {"adapter": "desk", "chat": ROOM, "sender": who, "thread": thread}
    await _all(house, [a_message("", action=action, **where) for action in PRESSES])
    await _all(house, [a_message(words, **where) for words in WORDS])
    assert await _rows(house, "ticket") == tickets
    assert house.customers.texts == said
    assert await _refusals(house) == len(PRESSES) + len(WORDS)


@pytest.mark.parametrize(("who", "chat"), [("kunde", "c1"), ("kim", "c1"), ("kim", "c2"), ("stranger", "group")])
async def test_a_press_of_staff_does_nothing_where_customers_write(house: House, who: str, chat: str) -> None:
    """Not even by a member of staff: it is no chat in which such buttons are shown."""
    tickets, said = await _rows(house, "ticket"), list(house.customers.texts)
    await _all(house, [a_message("", action=action, sender=who, chat=chat) for action in PRESSES])
    assert await _rows(house, "ticket") == tickets
    assert house.customers.texts == said
    assert await _refusals(house) == len(PRESSES)


@pytest.mark.parametrize("who", ["kunde", "kim"])
async def test_a_command_of_staff_is_only_words_where_customers_write(house: House, who: str) -> None:
    await _all(house, [a_message(words, sender=who, chat="c3") for words in WORDS])
    ticket = await house.ticket()
    assert (ticket.state, ticket.assignee_id, ticket.version) == (TicketState.OPEN, None, ticket.version)
    assert not any("Ich bin der Chef" in text for text in house.customers.texts)


@pytest.mark.parametrize("thread", ["t99", "", "t1 "])
async def test_a_member_of_staff_in_a_thread_of_no_ticket_changes_none(house: House, thread: str) -> None:
    tickets, said = await _rows(house, "ticket"), list(house.customers.texts)
    where: dict[str, Any] = {"adapter": "desk", "chat": ROOM, "sender": "kim", "thread": thread or None}
    await _all(house, [a_message(words, **where) for words in WORDS])
    assert await _rows(house, "ticket") == tickets
    assert house.customers.texts == said


async def test_a_typed_order_holds_for_the_ticket_of_its_thread_alone(house: House) -> None:
    await house.customer("Das Lager ist kaputt", chat="c9")
    [before, _] = await _rows(house, "ticket")
    where: dict[str, Any] = {"adapter": "desk", "chat": ROOM, "sender": "kim", "thread": "t2"}
    await _all(house, [a_message(words, **where) for words in ("/take", "!priority high", "/resolve")])
    [first, second] = await _rows(house, "ticket")
    assert first == before
    assert second != first
