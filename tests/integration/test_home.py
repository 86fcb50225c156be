"""The page that a platform shows a customer in a place of their own."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from bot.agreement.customers import Level, Organisation
from bot.catalogue.catalogue import Catalogue
from bot.desk.home import HomePage
from bot.model import ChatRef, Person, Priority, TicketState
from bot.storage.store import Store
from bot.storage.tickets import NewTicket
from tests.fakes import START, a_message
from tests.integration.desk import Desk

MUSTER = Organisation(id=str(uuid4()), name="Muster GmbH", number="10442")
CHAT = ChatRef("fake", "c1")
ADA, BEN = Person("ada", "Ada"), Person("ben", "Ben")


@pytest.fixture
def home(store: Store, catalogue: Catalogue, desk: Desk) -> HomePage:
    return HomePage(store, lambda: catalogue, desk.clock, "de")


async def _ticket(desk: Desk, subject: str, chat: str, organisation: str | None = None) -> None:
    await desk.receive(a_message(subject, chat=chat))
    async with desk.store.transaction() as session:
        conversation = await session.conversations.find(ChatRef("fake", chat))
        assert conversation is not None
        new = NewTicket(
            key=subject,
            conversation_id=conversation.id,
            reason="error",
            category=None,
            topic=None,
            priority=Priority.NORMAL,
            subject=subject,
            facts={},
            organisation=organisation,
        )
        await session.tickets.open(new, START)


async def _known(desk: Desk, person: Person, level: Level) -> None:
    async with desk.store.transaction() as session:
        await session.customers.save(MUSTER, START)
        await session.customers.bind("fake", person.id, MUSTER.id, level, START, person=person.name, how="test")


async def test_somebody_new_is_welcomed_and_told_that_nothing_is_open(home: HomePage) -> None:
    page = await home(CHAT, ADA)
    assert "Zurzeit ist nichts offen" in page.text
    assert [button.action for button in page.buttons] == ["person", "my_tickets"]


async def test_what_was_told_here_is_shown_and_what_others_told_elsewhere_is_not(desk: Desk, home: HomePage) -> None:
    await _ticket(desk, "Export <b>hängt</b>", "c1")
    await _ticket(desk, "Drucker druckt nicht", "c2")
    text = (await home(CHAT, ADA)).text
    assert "HD-000001" in text
    assert "Export" in text
    assert "Drucker" not in text


async def test_whoever_has_proven_where_they_belong_sees_the_open_tickets_of_all_of_them(
    desk: Desk, home: HomePage
) -> None:
    await _known(desk, ADA, Level.PROVEN)
    await _known(desk, BEN, Level.STATED)
    await _ticket(desk, "Drucker druckt nicht", "c2", MUSTER.id)
    await _ticket(desk, "Längst erledigt", "c3", MUSTER.id)
    async with desk.store.transaction() as session:
        ticket = await session.tickets.get(2)
        assert ticket is not None
        await session.tickets.save(replace(ticket, state=TicketState.CLOSED))
    seen = (await home(CHAT, ADA)).text
    assert "Drucker" in seen
    assert "erledigt" not in seen
    assert "Drucker" not in (await home(ChatRef("fake", "c9"), BEN)).text, "saying so is no proof"


async def test_whoever_is_spoken_to_with_du_is_so_here_too(desk: Desk, home: HomePage) -> None:
    assert "Schreiben Sie" in (await home(CHAT, ADA)).text
    async with desk.store.transaction() as session:
        await session.customers.save(replace(MUSTER, address="du"), START)
        await session.customers.bind("fake", "ada", MUSTER.id, Level.PROVEN, START, person="Ada", how="test")
    assert "Schreib mir" in (await home(CHAT, ADA)).text
