"""Who somebody is, from their words in the chat to what they may see: stated, proven by a code, invited, or in a bound channel."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select

from bot.agreement.customers import Contract, Level
from bot.catalogue.catalogue import Catalogue
from bot.model import Candidate, Category, ChatRef, Prediction
from bot.storage import tables
from bot.storage.customers import CODE_LASTS
from bot.storage.store import Store
from tests.fakes import START, FakeAdapter, FakeClassifier, a_message
from tests.integration.desk import Desk, a_desk
from tests.integration.test_customers import BEISPIEL, MUSTER


class Status(FakeClassifier):
    """Knows a question about the state of a ticket besides."""

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        return [_status(found) if "Wie steht" in found.matters[0].text else found for found in super().classify(texts)]


def _status(found: Prediction) -> Prediction:
    (matter,) = found.matters
    topic = Candidate("ticket_status", Category.OPERATION, 1.0)
    about = replace(matter, categories=((topic.category, 1.0),), topics=(topic,), faq=(topic.topic, 1.0))
    return replace(found, matters=(about,))


@pytest.fixture
async def mail() -> FakeAdapter:
    return FakeAdapter("mail")


@pytest.fixture
async def desk(store: Store, catalogue: Catalogue, mail: FakeAdapter) -> AsyncIterator[Desk]:
    async with store.transaction() as session:
        await session.customers.save(MUSTER, START)
        await session.customers.save(BEISPIEL, START)
    async with a_desk(store, catalogue, classifier=Status(), others=[mail]) as desk:
        yield desk


async def _say(desk: Desk, text: str, *, sender: str = "kunde", chat: str = "c1", invitation: str | None = None) -> str:
    """Say something and return everything that is answered."""
    before = len(desk.adapter.sent)
    await desk.receive(replace(a_message(text, chat=chat, sender=sender), invitation=invitation))
    await desk.handle_all()
    await desk.deliver_all()
    return "\n".join(desk.adapter.texts[before:])


async def _levels(desk: Desk, sender: str = "kunde") -> dict[str, Level]:
    async with desk.store.snapshot() as session:
        found = await session.customers.standings(ChatRef("fake", "c1"), sender)
    return {s.organisation.number: s.level for s in found if s.organisation is not None}


async def test_the_request_waits_for_name_and_number_and_is_then_carried_out(desk: Desk) -> None:
    asked = await _say(desk, "Der Export ist kaputt, Fehler E-2041 bei allen")
    assert "Kundennummer" in asked
    assert await desk.tickets() == []
    told = await _say(desk, "Muster Maschinenbau, Kundennr. 10 442")
    (ticket,) = await desk.tickets()
    assert ticket.key in told
    assert "E-2041" in ticket.facts["text"]
    assert await _levels(desk) == {"10442": Level.STATED}


async def test_name_and_number_may_come_one_after_the_other(desk: Desk) -> None:
    await _say(desk, "Der Export ist kaputt, Fehler E-2041 bei allen")
    await _say(desk, "Muster Maschinenbau")
    await _say(desk, "10442")
    (ticket,) = await desk.tickets()
    assert "E-2041" in ticket.facts["text"]
    assert await _levels(desk) == {"10442": Level.STATED}


async def test_a_code_from_the_mailbox_opens_the_organisations_tickets_and_is_nowhere_to_be_read(
    desk: Desk, mail: FakeAdapter
) -> None:
    await _say(desk, "Der Export ist kaputt, Fehler E-2041. Muster Maschinenbau 10442", sender="kollege", chat="c2")
    (ticket,) = await desk.tickets()
    await _say(desk, "Der Druck ist kaputt, Fehler E-17. Muster Maschinenbau 10442")
    await _say(desk, f"Wie steht es um {ticket.key}?")
    ((to, text),) = mail.sent
    assert to == MUSTER.email
    (code,) = re.findall(r"\b\d{6}\b", text)
    wrong = "000000" if code != "000000" else "000001"
    await _say(desk, wrong)
    assert await _levels(desk) == {"10442": Level.STATED}
    told = await _say(desk, f"Der Code ist {code[:3]} {code[3:]}.")
    assert await _levels(desk) == {"10442": Level.PROVEN}
    assert ticket.key in told
    async with desk.store.snapshot() as session:
        rows = [
            (table.name, str(tuple(row)))
            for table in tables.metadata.sorted_tables
            for row in await session.connection.execute(select(table))
        ]
    assert not [name for name, row in rows if code in row or f"{code[:3]} {code[3:]}" in row]
    assert any("Der Code ist •••••••." in row for name, row in rows if name == "inbox")
    assert await _say(desk, code) is not None
    assert await _levels(desk, "andere") == {}


async def test_a_code_that_comes_too_late_is_not_kept_either(desk: Desk, mail: FakeAdapter) -> None:
    await _say(desk, "Der Export ist kaputt, Fehler E-2041. Muster Maschinenbau 10442", sender="kollege", chat="c2")
    (ticket,) = await desk.tickets()
    await _say(desk, "Der Druck ist kaputt, Fehler E-17. Muster Maschinenbau 10442")
    await _say(desk, f"Wie steht es um {ticket.key}?")
    ((_, text),) = mail.sent
    (code,) = re.findall(r"\b\d{6}\b", text)
    desk.clock.advance(CODE_LASTS)
    await _say(desk, f"Hier: {code}")
    assert await _levels(desk) == {"10442": Level.STATED}
    async with desk.store.snapshot() as session:
        rows = [
            str(tuple(row))
            for table in tables.metadata.sorted_tables
            for row in await session.connection.execute(select(table))
        ]
    assert not [row for row in rows if code in row]


async def test_an_invitation_makes_one_person_known_and_no_other(desk: Desk) -> None:
    async with desk.store.transaction() as session:
        token = await session.customers.invite(MUSTER.id, START)
    await _say(desk, f"/start {token}", invitation=token)
    assert await _levels(desk) == {"10442": Level.PROVEN}
    await _say(desk, f"/start {token}", invitation=token, sender="andere", chat="c2")
    assert await _levels(desk, "andere") == {}
    told = await _say(desk, "Der Export ist kaputt, Fehler E-2041 bei allen")
    (ticket,) = await desk.tickets()
    assert ticket.key in told


async def test_everybody_in_a_bound_channel_is_served_without_a_question(desk: Desk) -> None:
    async with desk.store.transaction() as session:
        await session.customers.bind_channel("fake", "c1", MUSTER.id, START, how="invite")
    told = await _say(desk, "Der Export ist kaputt, Fehler E-2041 bei allen", sender="neu")
    (ticket,) = await desk.tickets()
    assert ticket.key in told


async def test_a_contract_that_has_ended_is_told_kindly_and_goes_to_a_person(desk: Desk) -> None:
    ended = replace(BEISPIEL, contracts=(Contract("W-9", valid_until=date(2025, 12, 31)),))
    async with desk.store.transaction() as session:
        await session.customers.save(ended, START)
    told = await _say(desk, "Der Export ist kaputt, Fehler E-2041. Beispiel AG, K-7")
    (ticket,) = await desk.tickets()
    assert ticket.key in told
    assert ticket.reason == "not_entitled"


async def test_half_an_answer_tells_nobody_who_is_a_customer(desk: Desk) -> None:
    await _say(desk, "Der Export ist kaputt, Fehler E-2041 bei allen")
    known = await _say(desk, "Muster Maschinenbau")
    await _say(desk, "Der Export ist kaputt, Fehler E-2041 bei allen", sender="fremd", chat="c2")
    unknown = await _say(desk, "Schmidt Anlagenbau", sender="fremd", chat="c2")
    assert known == unknown
