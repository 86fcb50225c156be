"""The keys of the buttons and commands that customers use; they come back as InboundMessage.action."""

from __future__ import annotations

HELPED = "helped"
NOT_HELPED = "not_helped"
PERSON = "person"
CONTEST = "contest"
YES = "yes"
NO = "no"
REMOTE = "remote"
WORKAROUND = "workaround"
NEW_MATTER = "new_matter"
OTHER_MATTER = "other_matter"
NONE_OF_THESE = "none_of_these"
MY_TICKETS = "my_tickets"
HELP = "help"
NEW = "new"
TOPIC = "topic:"
ORGANISATION = "organisation:"
SOLVED = "solved:"
UNSOLVED = "unsolved:"
RATE = "rate:"
"""These three are followed by the number of the ticket, the last one by a colon and the rating besides."""


def solved(number: int) -> str:
    return f"{SOLVED}{number}"


def unsolved(number: int) -> str:
    return f"{UNSOLVED}{number}"


def rate(number: int, rating: int) -> str:
    return f"{RATE}{number}:{rating}"


def topic(topic_id: str) -> str:
    return TOPIC + topic_id


def topic_of(action: str) -> str | None:
    return action.removeprefix(TOPIC) if action.startswith(TOPIC) else None


def organisation(organisation_id: str) -> str:
    return ORGANISATION + organisation_id


def organisation_of(action: str) -> str | None:
    return action.removeprefix(ORGANISATION) if action.startswith(ORGANISATION) else None
