"""decide() in small: what the transcripts cannot show without a trained classifier."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bot.agreement.agreement import Agreement, Costs
from bot.catalogue.catalogue import Catalogue, Company, Topic
from bot.dialogue.decide import decide
from bot.dialogue.decisions import Decision, OpenTicket
from bot.dialogue.turn import More, Turn, UnreadError, unread
from bot.model import Candidate, Category, ChatRef, Conversation, Matter, Pending, Prediction

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
FAULT = Topic("fault", {"de": "Störung", "en": "Fault"}, Category.ERROR_REPORT, "test", "fault.yaml")
CATALOGUE = Catalogue(
    "test", {"fault": FAULT}, Agreement("1", {}, {}, Costs(40, 3, 1.5, 1, 0.7, 8)), Company({}, {}, {}), {}
)


def fault(text: str) -> Prediction:
    matter = Matter(
        0,
        len(text),
        text,
        ((Category.ERROR_REPORT, 0.99), (Category.USAGE, 0.01)),
        (Candidate("fault", Category.ERROR_REPORT, 0.99),),
        None,
        0.0,
        "statistical",
    )
    return Prediction((matter,), "de", "test")


def test_the_ticket_holds_all_of_a_message_of_which_only_a_part_was_read() -> None:
    message = "Seit heute früh stürzt der Export ab. " + "Protokollzeile " * 600
    turn = Turn(text=message, now=NOW, prediction=fault(message[:500]))
    outcome = decide(Conversation("1", ChatRef("test", "1")), turn, CATALOGUE, "de")
    (ticket,) = outcome.decisions
    assert isinstance(ticket, OpenTicket)
    assert ticket.about.text == message


@pytest.mark.parametrize("look", [bool, lambda it: it.matters, lambda it: it.language])
@pytest.mark.parametrize("what", ["together", "earlier"])
def test_what_is_unread_is_asked_for_by_whoever_looks_at_it(what: More, look: Callable[[Prediction], object]) -> None:
    with pytest.raises(UnreadError) as asked:
        look(unread(what))
    assert asked.value.what == what


def test_only_a_decision_that_rests_on_it_asks_what_a_turn_means_together_with_what_was_said_before() -> None:
    message = "Der Export stürzt jeden Morgen ab."
    turn = Turn(message, NOW, fault(message), unread("together"), unread("earlier"))

    def decided(kind: str) -> tuple[Decision, ...]:
        pending = Pending(kind, NOW, data={"text": "Es geht um den Export", "topic": "fault"})
        return decide(Conversation("1", ChatRef("test", "1"), pending=pending), turn, CATALOGUE, "de").decisions

    (ticket,) = decided("helped")
    assert isinstance(ticket, OpenTicket), "something new that is clear by itself"
    with pytest.raises(UnreadError) as asked:
        decided("details")
    assert asked.value.what == "together"
