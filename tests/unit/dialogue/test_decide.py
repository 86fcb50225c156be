"""decide() in small: what the transcripts cannot show without a trained classifier."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.agreement.agreement import Agreement, Costs
from bot.catalogue.catalogue import Catalogue, Company, Topic
from bot.dialogue.decide import decide
from bot.dialogue.decisions import OpenTicket
from bot.dialogue.turn import Turn
from bot.model import Candidate, Category, ChatRef, Conversation, Matter, Prediction

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
