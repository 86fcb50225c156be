"""Several people of one customer in one channel, several customers in one channel, one person of two organisations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from bot.agreement.customers import Contract, Level, Organisation
from bot.catalogue.catalogue import Catalogue
from bot.desk.cards import staff_card
from bot.desk.staff import Desk as StaffDesk
from bot.desk.view import view_of
from bot.model import Category, Person, Prediction, TicketState
from bot.storage.store import Store
from tests.fakes import START, FakeClassifier, a_message
from tests.integration.desk import Desk, a_desk

KIM = Person("kim", "Kim Berger")
MUSTER = Organisation("o1", "Muster GmbH", "10001", (Contract("1"),))
BEISPIEL = Organisation("o2", "Beispiel AG", "10002", (Contract("1"),))


async def _known(desk: Desk, **people: tuple[Organisation, ...]) -> None:
    """Both organisations are on file, and these people are proven to belong to them."""
    async with desk.store.transaction() as session:
        for organisation in (MUSTER, BEISPIEL):
            await session.customers.save(organisation, START)
        for person, organisations in people.items():
            for organisation in organisations:
                await session.customers.bind(
                    "fake", person, organisation.id, Level.PROVEN, START, person=person.title(), how="link"
                )


async def _say(desk: Desk, sender: str, text: str, action: str | None = None) -> list[str]:
    """What the bot says to it."""
    desk.adapter.sent.clear()
    await desk.receive(a_message(text, sender=sender, action=action))
    await desk.handle_all()
    await desk.deliver_all()
    return desk.adapter.texts


async def test_colleagues_in_one_channel_write_to_one_ticket_and_staff_see_who_said_what(
    desk: Desk, staff: StaffDesk
) -> None:
    await _known(desk, anna=(MUSTER,), ben=(MUSTER,))
    await _say(desk, "anna", "Der Drucker ist kaputt")
    (said,) = await _say(desk, "ben", "Bei mir ist er auch kaputt")
    assert "HD-000001" in said
    (ticket,) = await desk.tickets()
    assert (ticket.person, ticket.organisation) == ("anna", MUSTER.id)
    async with desk.store.snapshot() as session:
        view = await view_of(session, 1, desk.clock())
    assert [(line.name, line.text) for line in view.talk if line.speaker == "customer"] == [
        ("Anna", "Der Drucker ist kaputt"),
        ("Ben", "Bei mir ist er auch kaputt"),
    ]
    card = staff_card(view, staff.catalogue(), "de")
    assert "Anna, Ben" in card.body
    assert any(field.value.startswith("Muster GmbH") for field in card.fields)


async def test_a_colleague_may_say_that_it_is_solved(desk: Desk, staff: StaffDesk) -> None:
    await _known(desk, anna=(MUSTER,), ben=(MUSTER,))
    await _say(desk, "anna", "Der Drucker ist kaputt")
    await staff.resolve(1, KIM)
    await _say(desk, "ben", "ja, geht wieder")
    (ticket,) = await desk.tickets()
    assert ticket.state is TicketState.CLOSED


async def test_another_customer_in_the_same_channel_gets_a_ticket_of_their_own(desk: Desk) -> None:
    await _known(desk, anna=(MUSTER,), bert=(BEISPIEL,))
    await _say(desk, "anna", "Der Drucker ist kaputt")
    (said,) = await _say(desk, "bert", "Der Drucker ist kaputt")
    assert "HD-000002" in said
    assert [(t.organisation, t.person) for t in await desk.tickets()] == [(MUSTER.id, "anna"), (BEISPIEL.id, "bert")]


async def test_after_another_customer_has_written_ones_own_words_still_go_to_ones_own_ticket(desk: Desk) -> None:
    await _known(desk, anna=(MUSTER,), bert=(BEISPIEL,))
    await _say(desk, "anna", "Der Drucker ist kaputt")
    await _say(desk, "bert", "Der Drucker ist kaputt")
    (said,) = await _say(desk, "anna", "Immer noch kaputt")
    assert "HD-000001" in said
    assert len(await desk.tickets()) == 2


async def test_another_customer_neither_confirms_nor_reopens_nor_rates_what_is_not_theirs(
    desk: Desk, staff: StaffDesk
) -> None:
    await _known(desk, anna=(MUSTER,), bert=(BEISPIEL,))
    await _say(desk, "anna", "Der Drucker ist kaputt")
    await staff.resolve(1, KIM)
    for text in ("ja", "nein, geht nicht", "HD-000001 ist wieder kaputt"):
        await _say(desk, "bert", text)
    for action in ("solved:1", "unsolved:1", "rate:1:1"):
        await _say(desk, "bert", "", action=action)
    ticket = (await desk.tickets())[0]
    assert (ticket.state, ticket.rating, ticket.organisation) == (TicketState.RESOLVED, None, MUSTER.id)
    await _say(desk, "anna", "ja")
    assert (await desk.tickets())[0].state is TicketState.CLOSED


async def test_another_customer_does_not_cancel_what_is_not_theirs(desk: Desk) -> None:
    await _known(desk, anna=(MUSTER,), bert=(BEISPIEL,))
    await _say(desk, "anna", "Der Drucker ist kaputt")
    await _say(desk, "bert", "hat sich erledigt")
    assert (await desk.tickets())[0].state is TicketState.OPEN


async def test_whoever_belongs_to_two_organisations_is_asked_for_which_they_write_and_then_keeps_to_it(
    desk: Desk,
) -> None:
    await _known(desk, anna=(MUSTER, BEISPIEL))
    (asked,) = await _say(desk, "anna", "Der Drucker ist kaputt")
    assert "Für welche" in asked
    (said,) = await _say(desk, "anna", "", action=f"organisation:{BEISPIEL.id}")
    assert "HD-000001" in said
    await _say(desk, "anna", "Der Bildschirm ist auch kaputt")
    assert [ticket.organisation for ticket in await desk.tickets()] == [BEISPIEL.id]


class Vague(FakeClassifier):
    """Does not understand "irgendwas"."""

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        return [_vague(p) if "irgendwas" in p.matters[0].text else p for p in super().classify(texts)]


def _vague(prediction: Prediction) -> Prediction:
    (matter,) = prediction.matters
    return replace(prediction, matters=(replace(matter, categories=((Category.ERROR_REPORT, 1.0),), vague=1.0),))


@pytest.fixture
async def vague(store: Store, catalogue: Catalogue) -> AsyncIterator[Desk]:
    async with a_desk(store, catalogue, classifier=Vague()) as desk:
        yield desk


async def test_what_one_customer_is_asked_is_not_answered_by_another(vague: Desk) -> None:
    await _known(vague, anna=(MUSTER,), bert=(BEISPIEL,))
    await _say(vague, "anna", "irgendwas geht nicht")
    assert await vague.tickets() == []
    (said,) = await _say(vague, "bert", "Der Drucker ist kaputt")
    assert "HD-000001" in said
    (said,) = await _say(vague, "anna", "Der Bildschirm ist kaputt")
    assert "HD-000002" in said
    bert, anna = await vague.tickets()
    assert (bert.organisation, anna.organisation) == (BEISPIEL.id, MUSTER.id)
    assert "irgendwas geht nicht" in anna.facts["text"]
    assert "irgendwas" not in bert.facts["text"]


async def test_a_question_to_one_customer_that_another_one_displaces_becomes_a_ticket(vague: Desk) -> None:
    await _known(vague, anna=(MUSTER,), bert=(BEISPIEL,))
    await _say(vague, "anna", "irgendwas geht nicht")
    said = await _say(vague, "bert", "irgendwas ist anders")
    (ticket,) = await vague.tickets()
    assert (ticket.organisation, ticket.reason, ticket.facts["text"]) == (
        MUSTER.id,
        "no_answer",
        "irgendwas geht nicht",
    )
    assert len(said) == 2
    await _say(vague, "bert", "Der Drucker ist kaputt")
    assert [t.organisation for t in await vague.tickets()] == [MUSTER.id, BEISPIEL.id]
