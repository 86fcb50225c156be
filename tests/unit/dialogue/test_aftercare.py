"""After a ticket was resolved: only a plain yes closes it, only a plain mark rates it, and what is back is not a new matter."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.dialogue.decide import decide
from bot.dialogue.decisions import Confirm, Decision, OpenTicket, Rate, Reopen
from bot.dialogue.situation import Situation
from bot.dialogue.turn import Turn
from bot.model import Category, ChatRef, Conversation, Pending, Priority, Ticket, TicketState
from tests.fakes import START, FakeClassifier


def _ticket(**values: object) -> Ticket:
    fields: dict[str, object] = {
        "number": 7,
        "conversation_id": "c",
        "state": TicketState.RESOLVED,
        "reason": "error",
        "category": Category.ERROR_REPORT,
        "topic": None,
        "priority": Priority.NORMAL,
        "subject": "Drucker",
        "created_at": START - timedelta(days=40),
        "resolved_at": START - timedelta(days=1),
        "assignee": "Kim",
        "assignee_id": "kim",
    }
    return Ticket(**{**fields, **values})  # type: ignore[arg-type]  # each test names what it changes


def _said(
    catalogue: Catalogue, text: str, *, pending: str | None = "solved", action: str | None = None, **values: object
) -> list[Decision]:
    asked = Pending(pending, START, data={"ticket": "7"}) if pending else None
    conversation = Conversation("c", ChatRef("fake", "1"), pending=asked, ticket=7)
    turn = Turn(text, START, FakeClassifier.prediction(text), action=action)
    situation = Situation(done=(_ticket(**values),))
    return list(decide(conversation, turn, catalogue, "de", situation).decisions)


@pytest.mark.parametrize("text", ["ja", "Ja, danke!", "geht wieder", "yes", "hat geholfen", "das Problem ist gelöst"])
def test_a_plain_yes_closes_it(catalogue: Catalogue, text: str) -> None:
    assert [type(d) for d in _said(catalogue, text)] == [Confirm]


@pytest.mark.parametrize("text", ["nein", "Nein, noch nicht", "geht immer noch nicht", "still not working"])
def test_a_no_opens_it_again(catalogue: Catalogue, text: str) -> None:
    (decision,) = _said(catalogue, text)
    assert isinstance(decision, Reopen)
    assert decision.ticket.number == 7


@pytest.mark.parametrize(
    "text",
    ["bitte noch einmal ansehen", "please have another look", "ja, aber jetzt kommt etwas anderes", "danke", "?"],
)
def test_what_is_no_plain_yes_closes_nothing(catalogue: Catalogue, text: str) -> None:
    assert not any(isinstance(d, Confirm) for d in _said(catalogue, text))


@pytest.mark.parametrize(
    ("text", "mark", "words"),
    [("5", 5, ""), ("4, ging schnell", 4, "ging schnell"), ("3/5", 3, ""), ("5 Sterne!", 5, ""), ("Note 2", 2, "")],
)
def test_a_mark_rates_it_with_words_or_without(catalogue: Catalogue, text: str, mark: int, words: str) -> None:
    (decision,) = _said(catalogue, text, pending="rating", state=TicketState.CLOSED)
    assert isinstance(decision, Rate)
    assert (decision.rating, decision.words) == (mark, words)


@pytest.mark.parametrize(
    "text", ["5 Drucker sind kaputt", "1. Problem: alles kaputt", "kaputt seit 3 Tagen", "6", "0", "11"]
)
def test_a_number_that_is_no_mark_is_heard_as_what_it_says(catalogue: Catalogue, text: str) -> None:
    assert not any(isinstance(d, Rate) for d in _said(catalogue, text, pending="rating", state=TicketState.CLOSED))


def test_a_word_after_the_mark_belongs_to_it_unless_it_is_a_new_matter(catalogue: Catalogue) -> None:
    (word,) = _said(catalogue, "sehr nett", pending="rating", state=TicketState.CLOSED, rating=5)
    assert isinstance(word, Rate)
    assert (word.rating, word.words) == (5, "sehr nett")
    assert [type(d) for d in _said(catalogue, "Der Bildschirm ist kaputt", pending="rating", rating=5)] == [OpenTicket]


@pytest.mark.parametrize("text", ["HD-000007 ist wieder da", "HD-7 ist kaputt", "hd 7 is back"])
def test_naming_its_number_opens_it_again_within_the_term_and_later_a_new_one_that_follows_it(
    catalogue: Catalogue, text: str
) -> None:
    (again,) = _said(catalogue, text, pending=None)
    assert isinstance(again, Reopen)
    (later,) = _said(catalogue, text, pending=None, resolved_at=START - timedelta(days=15))
    assert isinstance(later, OpenTicket)
    assert later.follows == 7


def test_only_asking_about_its_number_does_not_open_it_again(catalogue: Catalogue) -> None:
    assert not any(isinstance(d, Reopen) for d in _said(catalogue, "HD-000007?", pending=None))


def test_another_matter_after_a_resolved_ticket_is_another_ticket(catalogue: Catalogue) -> None:
    (decision,) = _said(catalogue, "Der Bildschirm ist kaputt", topic="error_display")
    assert type(decision) is OpenTicket
    assert decision.follows is None


@pytest.mark.parametrize("action", ["solved:8", "unsolved:8", "rate:8:1", "solved:x", "rate:7:9", "rate:7:"])
def test_a_button_of_another_ticket_or_a_forged_one_does_nothing(catalogue: Catalogue, action: str) -> None:
    assert [d.kind for d in _said(catalogue, "", action=action)] == ["ignore"]
