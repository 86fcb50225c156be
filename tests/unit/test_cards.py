"""Cards and summaries: what staff see of a ticket, and the little of it that customers see. And when staff are reminded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.agreement.calendar import parse_hours
from bot.agreement.customers import Contract, Organisation
from bot.catalogue.catalogue import Catalogue
from bot.desk.cards import alert_text, customer_cards, staff_card
from bot.desk.ladder import Ladder
from bot.desk.summary import Said, summary
from bot.desk.view import View
from bot.model import Category, ChatRef, Conversation, Language, Priority, StaffAlert, Ticket, TicketState
from tests.fakes import START

TICKET = Ticket(
    number=7,
    conversation_id="c",
    state=TicketState.TAKEN,
    reason="error",
    category=Category.ERROR_REPORT,
    topic="error_saving",
    priority=Priority.HIGH,
    subject="Speichern geht nicht",
    created_at=START,
    facts={"text": "Speichern geht *nicht*, Fehler E-1", "error": "E-1", "secret": "intern"},
    assignee="Kim Berger",
    assignee_id="kim",
    organisation="o",
    level="proven",
    due_at=START + timedelta(hours=4),
    follows=3,
)
TALK = (
    Said(START, "customer", "Anna", "Speichern geht *nicht*, Fehler E-1"),
    Said(START, "bot", "Firstline", "Danke, aufgenommen."),
    Said(START, "note", "Mira", "Kunde schwierig"),
    Said(START, "customer", "Ben", "bei mir auch"),
    Said(START, "customer", "Ben", "vertippt", "deleted"),
    Said(START, "staff", "Kim Berger", "Versehen", "undone"),
)


def _view(ticket: Ticket = TICKET) -> View:
    contract = Contract("W-1", hours=parse_hours("Mo-Fr 08:00-17:00"))
    return View(
        ticket=ticket,
        conversation=Conversation("c", ChatRef("fake", "1")),
        organisation=Organisation("o", "Muster GmbH", "10001", (contract,)),
        contract=contract,
        talk=TALK,
        understood={
            "kind": "open_ticket",
            "category": "in_scope.error_report",
            "topic": "error_saving",
            "confidence": 0.931,
        },
        consents=(),
        opening=(),
    )


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_card_for_staff_has_all_that_they_need_in_their_language(catalogue: Catalogue, language: Language) -> None:
    card = staff_card(_view(), catalogue, language)
    values = {field.label: field.value for field in card.fields}
    shown = " | ".join(values.values())
    for part in ("Kim Berger", "Muster GmbH · 10001", "W-1", "93 %", "HD-000003", "14:00"):
        assert part in shown, part
    assert (card.audience, card.title) == ("staff", "HD-000007 · Speichern geht nicht")
    assert ("Zuständig" in values) == (language == "de")
    assert all(button.action.startswith("staff:") and button.action.endswith(":7") for button in card.buttons)


@pytest.mark.parametrize("state", list(TicketState))
@pytest.mark.parametrize("language", ["de", "en"])
def test_a_card_for_customers_never_shows_what_is_for_staff(
    catalogue: Catalogue, state: TicketState, language: Language
) -> None:
    ticket = TICKET if state is TicketState.TAKEN else _with(state)
    (card,) = customer_cards([ticket], catalogue, language)
    shown = f"{card.title} {card.body} {[(f.label, f.value) for f in card.fields]} {[b.label for b in card.buttons]}"
    for secret in ("intern", "error_saving", "schwierig", "W-1", "HD-000003", "hoch", "high"):
        assert secret not in shown
    assert card.audience == "customer"
    assert not any(button.action.startswith("staff:") for button in card.buttons)


def _with(state: TicketState) -> Ticket:
    return replace(TICKET, state=state)


def test_customers_see_what_is_open_first_and_the_newest_first(catalogue: Catalogue) -> None:
    tickets = [
        replace(TICKET, number=n, state=state) for n, state in enumerate((TicketState.CLOSED, TicketState.OPEN) * 2)
    ]
    assert [card.ticket for card in customer_cards(tickets, catalogue, "de")] == [3, 1, 2, 0]


def test_a_summary_quotes_first_and_last_and_what_was_stated_and_makes_nothing_up(catalogue: Catalogue) -> None:
    text = summary(TICKET, TALK, catalogue, "de")
    assert "Speichern geht \\*nicht\\*" in text
    assert "Meldung: E-1" in text
    assert "Anna, Ben" in text
    assert "Zuletzt Ben: „bei mir auch“" in text
    assert "Firstline: „Danke, aufgenommen.“" in text
    for absent in ("vertippt", "Versehen", "schwierig", "intern"):
        assert absent not in text


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_alert_has_its_words(catalogue: Catalogue, language: Language) -> None:
    keys = {key.split(".")[1] for key in catalogue.texts[language] if key.startswith("alert.")}
    alerts = [StaffAlert(key, 7) for key in keys if not key.startswith("not_taken")]
    alerts += [StaffAlert("not_taken", 7, step) for step in (1, 2, 3)]
    assert all("HD-000007" in alert_text(alert, catalogue, language) for alert in alerts)
    quoted = alert_text(StaffAlert("customer_wrote", 7, text="# nein\n- *doch*"), catalogue, language)
    assert "> \\# nein" in quoted


def test_reminders_count_the_hours_in_which_somebody_is_there() -> None:
    friday = datetime(2026, 3, 6, 15, 50, tzinfo=UTC)  # ten minutes before closing time in Berlin
    rungs = list(Ladder().rungs(friday, parse_hours("Mo-Fr 08:00-17:00")))
    assert [rung.step for rung in rungs] == [1, 2, 3]
    assert [rung.at.astimezone(UTC).isoformat() for rung in rungs] == [
        "2026-03-09T07:05:00+00:00",
        "2026-03-09T07:50:00+00:00",
        "2026-03-09T08:50:00+00:00",
    ]
    assert [rung.at - friday for rung in Ladder().rungs(friday, None)] == [
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(hours=2),
    ]
