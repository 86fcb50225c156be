"""What the bot can decide to do about one matter of a message.

Frozen values: they say what, never in which words (speak.py) nor how it is stored (the desk).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bot.model import Category, Priority


@dataclass(frozen=True, slots=True)
class About:
    """What a decision is about and rests on: the words of the customer and what the classifier made of them.

    ``confidence`` is the probability of ``category``, 0 to 1; 1.0 where the customer has chosen it.
    """

    text: str = ""
    category: Category | None = None
    topic: str | None = None
    confidence: float = 0.0
    runner_up: Category | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Give the approved answer of the topic."""

    kind: ClassVar[str] = "answer"
    about: About


@dataclass(frozen=True, slots=True)
class ClarifyDetails:
    """Ask for what a supporter needs; ``attempt`` counts from 1."""

    kind: ClassVar[str] = "clarify"
    about: About
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class ClarifyTopic:
    """Ask which of two or three topics is meant."""

    kind: ClassVar[str] = "clarify"
    about: About
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exclude:
    """Explain kindly what the agreement does not cover, and show the way on."""

    kind: ClassVar[str] = "exclude"
    about: About
    clause: str


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """Open a ticket with what is known; ``reason`` is a key below ``reason`` in the texts."""

    kind: ClassVar[str] = "open_ticket"
    about: About
    reason: str
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True, slots=True)
class HandOff(OpenTicket):
    """Open a ticket because a person is wanted, not only because there is work."""

    kind: ClassVar[str] = "hand_off"


@dataclass(frozen=True, slots=True)
class SmallTalk:
    """Answer a greeting, thanks, a question about the bot itself; ``key`` is a key below ``small_talk`` in the texts."""

    kind: ClassVar[str] = "small_talk"
    about: About
    key: str


@dataclass(frozen=True, slots=True)
class Decline:
    """Say that this is not what the helpdesk is for, and what it is for."""

    kind: ClassVar[str] = "decline"
    about: About


@dataclass(frozen=True, slots=True)
class Relay:
    """Pass the message on to the people of the open ticket; ``announce`` tells the customer so.

    ``person``: the customer wants a person, and is told that one is on the way.
    """

    kind: ClassVar[str] = "relay"
    about: About
    announce: bool = False
    person: bool = False


@dataclass(frozen=True, slots=True)
class Ignore:
    """Say and do nothing."""

    kind: ClassVar[str] = "ignore"
    about: About


Decision = (
    Answer | ClarifyDetails | ClarifyTopic | Exclude | OpenTicket | HandOff | SmallTalk | Decline | Relay | Ignore
)


def needs_ticket(decision: Decision) -> bool:
    """Whether a person must see this. Intent and gross negligence are for people to judge, so the bot only records them."""
    return isinstance(decision, OpenTicket) or (
        isinstance(decision, Exclude) and decision.about.category is Category.NEGLIGENCE
    )
