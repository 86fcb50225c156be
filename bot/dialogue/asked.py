"""The one question that is open: what it was about, how often it was asked, what must not get lost over it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.dialogue.decisions import About, Decision, Exclude, OpenTicket, SmallTalk
from bot.model import Category, Pending

MAX_QUESTIONS = 2
"""How often the bot asks about one matter before it hands over what there is."""
MAX_ATTEMPTS = 3
"""How often it asks who somebody is: typing errors in names and numbers are common."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a turn means while a question is open. ``keep``: the question stays open all the same."""

    decisions: tuple[Decision, ...]
    keep: bool = False


def about_of(pending: Pending) -> About:
    """What the question was about."""
    data = pending.data
    return About(
        text=pending.text,
        category=Category(data["category"]) if data.get("category") else None,
        topic=data.get("topic"),
        confidence=1.0,
        products=tuple(filter(None, data.get("products", "").split(" "))),
    )


def overdue(pending: Pending) -> bool:
    """Whether this question, when it is not answered in time, is handed over with what there is, rather than forgotten."""
    return pending.kind in ("details", "topic", "identity", "organisation", "code") and bool(pending.text)


def attempts(pending: Pending) -> int:
    return int(pending.data.get("asked", "1"))


def for_people(decisions: tuple[Decision, ...]) -> bool:
    """Whether something among them must not get lost, whatever else is answered."""
    return any(isinstance(d, OpenTicket | Exclude) for d in decisions)


def is_goodbye(decisions: tuple[Decision, ...]) -> bool:
    return all(isinstance(d, SmallTalk) and d.key in ("thanks", "goodbye") for d in decisions)
