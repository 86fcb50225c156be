"""One whole dialogue with the shipped answers and their classifier, whatever platforms customers and staff are on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from bot import nlu
from bot.agreement.customers import Contract, Level, Organisation
from bot.catalogue.catalogue import Catalogue
from bot.model import TicketState
from bot.ports import Classifier
from tests.conftest import TestDatabase
from tests.integration.pairs import Pair, a_pair

BEISPIEL = Organisation(str(uuid4()), "Beispiel AG", "10442", (Contract("W-1"),))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def understood(catalogue: Catalogue) -> Classifier:
    return nlu.load(catalogue, cache_dir=ROOT / ".pytest_cache" / "models")


@pytest.fixture(
    params=[
        ("telegram", "slack", False),
        ("slack", "telegram", True),
        ("slack", "slack", True),
        ("telegram", "telegram", False),
    ],
    ids=lambda way: f"{way[0]}-{way[1]}-{'called' if way[2] else 'fetching'}",
)
async def pair(
    request: pytest.FixtureRequest,
    database: TestDatabase,
    tmp_path: Path,
    catalogue: Catalogue,
    understood: Classifier,
    unused_tcp_port: int,
) -> AsyncIterator[Pair]:
    customers, staff, called = request.param
    async with a_pair(
        customers, staff, database, tmp_path, catalogue, unused_tcp_port, called=called, classifier=understood
    ) as pair:
        yield pair


async def test_from_the_first_question_to_the_rating(pair: Pair) -> None:
    ada, kim, mira, eve, app = pair.ada, pair.kim, pair.mira, pair.eve, pair.app
    now = datetime.now(UTC)
    async with app.store.transaction() as session:
        await session.customers.save(BEISPIEL, now)
        token = await session.customers.invite(BEISPIEL.id, now)

    # The bot alone: who somebody is, an answer, a question back.
    await ada.writes(f"/start {token}" if pair.starts else token)
    await pair.settled()
    async with app.store.snapshot() as session:
        [known] = await session.customers.known(BEISPIEL.id)
    assert known.level is Level.PROVEN
    await ada.writes("Moin, komme nicht rein, Passwort vergessen")
    await pair.settled()
    assert "So kommen Sie wieder ins Portal" in pair.read
    await ada.writes("super danke")
    await pair.settled()
    await ada.writes("geht nicht")
    await pair.settled()
    assert "brauche ich noch ein paar Angaben" in pair.read
    assert pair.topics() == []

    # Something that is not covered: with the customer's yes a ticket, its thread, its card.
    await ada.writes("hat sich erledigt")
    await pair.settled()
    await ada.writes("Outlook stürzt beim Öffnen von Anhängen ab")
    await pair.settled()
    assert "Sind Sie einverstanden?" in pair.read
    assert pair.topics() == []
    await ada.presses("Ja, weitergeben")
    await pair.settled()
    assert "Zustimmung ist festgehalten: Ticket" in pair.read
    assert "HD-000001" in pair.card
    assert "noch niemand" in pair.card
    assert "Outlook stürzt beim Öffnen von Anhängen ab" in pair.thread

    # Whoever is not of staff does nothing, and nothing leaves before somebody has the ticket.
    before = pair.read
    await eve.presses("Übernehmen", pair.topic)
    await eve.writes("Ich bin der Chef.", pair.topic)
    await eve.writes("!erledigt", pair.topic)
    await pair.settled()
    assert (await pair.ticket()).state is TicketState.OPEN
    assert (await pair.kinds()).count("staff_refused") == 3
    await kim.writes("Ich schaue mir das an.", pair.topic)
    await pair.settled()
    assert pair.read == before
    await kim.presses("Antworten und übernehmen", pair.topic)
    await pair.settled()
    assert "Ich schaue mir das an." in pair.read
    assert (await pair.ticket()).assignee == "Kim"
    assert "Kim" in pair.card

    # A talk: replies, notes, files, corrections.
    said = await kim.writes("Bitte melden Sie sich einmal nue an.", pair.topic)
    await mira.writes("Der Nummernkreis ist geheim voll.", pair.topic)
    await kim.writes("// das glaube ich auch", pair.topic)
    await pair.settled()
    assert f"einmal nue an.   {pair.ticks.sent}" in pair.thread
    assert f"geheim voll.   {pair.ticks.noted}" in pair.thread
    await kim.edits(said, "Bitte melden Sie sich einmal neu an.")
    await kim.sends("anleitung.pdf", b"%PDF-1.7 Schritt fuer Schritt", "So geht es:", pair.topic)
    await pair.settled()
    assert "einmal neu an." in pair.read
    assert "nue an" not in pair.read
    assert "[anleitung.pdf] So geht es:" in pair.read
    wrote = await ada.writes("Bei mir geht es jetzt nicht mehr, bei Herrn Klein auch nicht.")
    await ada.sends("fehler.png", b"\x89PNG\r\n\x1a\nxx", "Das steht da")
    await pair.settled()
    await ada.edits(wrote, "Bei mir geht es jetzt, bei Herrn Klein nicht.")
    await pair.settled()
    assert "[fehler.png]" in pair.thread
    assert "hat die Nachricht geändert" in pair.thread
    assert "bei Herrn Klein nicht" in pair.thread

    # What staff set down, and what goes wrong in front of them.
    await kim.writes("!prio hoch", pair.topic)
    await kim.writes("!kategorie operation", pair.topic)
    await kim.writes("!erledigd", pair.topic)
    await kim.writes("!vorlage working_on_it", pair.topic)
    await pair.settled()
    ticket = await pair.ticket()
    assert (ticket.priority, ticket.category) == ("high", "in_scope.operation")
    assert "Den Befehl erledigd gibt es nicht" in pair.thread.replace("`", "")
    assert "Sobald es etwas Neues gibt" in pair.read
    assert "erledigd" not in pair.read

    # Back to the bot, taken by somebody else, resolved, rated.
    await kim.presses("An den Bot zurückgeben", pair.topic)
    await pair.settled()
    assert (await pair.ticket()).owner is None
    await mira.presses("Übernehmen", pair.topic)
    await pair.settled()
    await mira.writes("!gelöst Der Nummernkreis war voll, jetzt ist wieder Platz.", pair.topic)
    await pair.settled()
    assert "Der Nummernkreis war voll" in pair.read
    await ada.presses("Ja, gelöst")
    await pair.settled()
    await ada.presses("5")
    await pair.settled()
    ticket = await pair.ticket()
    assert (ticket.state, ticket.rating, ticket.assignee) == (TicketState.CLOSED, 5, "Mira")
    assert "5 von 5" in pair.thread
    for secret in ("geheim", "glaube ich auch", "Chef", "prio", "Kategorie"):
        assert secret not in pair.read
