"""What the bot can decide to do about one matter of a message.

Frozen values: they say what, never in which words (speak.py) nor how it is stored (the desk).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from bot.agreement.customers import Level, Organisation
from bot.model import Category, Priority, Ticket


@dataclass(frozen=True, slots=True)
class About:
    """What a decision is about and rests on: the words of the customer and what the classifier made of them.

    ``confidence`` is the probability of ``category``, 0 to 1; 1.0 where the customer has chosen it. ``products`` are the ids of the
    products that the words name.
    """

    text: str = ""
    category: Category | None = None
    topic: str | None = None
    confidence: float = 0.0
    runner_up: Category | None = None
    products: tuple[str, ...] = ()


Purpose = Literal["forward", "training", "onsite", "maintenance"]
"""What a consent is for: passing on to a third party, chargeable work of two kinds, passing on to the software maintenance."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a consent would cover.

    ``passed_on`` is to the letter what would be passed on of the customer's words, ``product`` the id of the third party's product
    that it is about, if one was named.
    """

    purpose: Purpose
    passed_on: str
    product: str | None = None

    @property
    def chargeable(self) -> bool:
        return self.purpose != "maintenance"


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody has answered to ``terms``, in their own words; ``condition`` where they bound a yes to something.

    ``question`` is what they had been shown.
    """

    terms: Terms
    given: bool
    answer: str
    question: str = ""
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Give the approved answer of the topic. ``again``: it was given just now, and there is no more to it."""

    kind: ClassVar[str] = "answer"
    about: About
    again: bool = False


@dataclass(frozen=True, slots=True)
class TicketStatus:
    """Tell how ``tickets`` stand; ``unknown`` are numbers that are none of this customer's."""

    kind: ClassVar[str] = "answer"
    about: About
    tickets: tuple[Ticket, ...] = ()
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TellIncident:
    """Tell of a known incident and note that this customer is affected."""

    kind: ClassVar[str] = "answer"
    about: About
    incident: int


@dataclass(frozen=True, slots=True)
class ClarifyDetails:
    """Ask for what a supporter needs; ``attempt`` counts from 1. ``known`` are the facts that need not be asked for.

    ``after_answer``: an article did not help, so ask what happens instead.
    """

    kind: ClassVar[str] = "clarify"
    about: About
    attempt: int = 1
    known: frozenset[str] = frozenset()
    after_answer: bool = False


@dataclass(frozen=True, slots=True)
class ClarifyTopic:
    """Ask which of two or three topics is meant."""

    kind: ClassVar[str] = "clarify"
    about: About
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskIdentity:
    """Ask for company and customer number before ``about`` is dealt with; ``attempt`` counts from 1.

    ``said`` is what has been said of it so far; ``asked`` how to ask for the rest: ask, again, name, number, why. ``open``: the
    ticket is there already, this only helps to find the customer.
    """

    kind: ClassVar[str] = "clarify"
    about: About
    attempt: int = 1
    said: str = ""
    asked: Literal["ask", "again", "name", "number", "why"] = "ask"
    open: bool = False


@dataclass(frozen=True, slots=True)
class AskOrganisation:
    """Ask for which of their organisations somebody writes."""

    kind: ClassVar[str] = "clarify"
    about: About
    organisations: tuple[Organisation, ...]
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class AskCode:
    """Ask for the code that is sent to the organisation's address on file; at the first ``attempt`` it is sent."""

    kind: ClassVar[str] = "clarify"
    about: About
    organisation: Organisation
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Exclude:
    """Explain kindly what the agreement does not cover, and show the way on."""

    kind: ClassVar[str] = "exclude"
    about: About
    clause: str


@dataclass(frozen=True, slots=True)
class AskConsent:
    """Ask whether something may be passed on or done at a charge; a second ``attempt`` shows all of it only if it is ``full``."""

    kind: ClassVar[str] = "ask_consent"
    about: About
    terms: Terms
    attempt: int = 1
    full: bool = False


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """Open a ticket with what is known; ``reason`` is a key below ``reason`` in the texts.

    ``follows``: the number of an older ticket that it goes on with.
    """

    kind: ClassVar[str] = "open_ticket"
    about: About
    reason: str
    priority: Priority = Priority.NORMAL
    consent: Consent | None = None
    follows: int | None = None


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
class Refuse:
    """The customer says no to a consent: nothing is passed on, and that is recorded."""

    kind: ClassVar[str] = "small_talk"
    about: About
    consent: Consent


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The customer takes a consent back: it is recorded, staff are told, nothing more is passed on."""

    kind: ClassVar[str] = "relay"
    about: About
    consented: bool


@dataclass(frozen=True, slots=True)
class Settle:
    """The customer says that the matter of ``ticket`` has settled itself."""

    kind: ClassVar[str] = "small_talk"
    about: About
    ticket: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """The customer says that ``ticket``, which staff have resolved, is solved."""

    kind: ClassVar[str] = "small_talk"
    about: About
    ticket: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The customer says how content they are with what was done about ``ticket``: 1 to 5, with words or without."""

    kind: ClassVar[str] = "small_talk"
    about: About
    ticket: int
    rating: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class Reopen:
    """The matter of ``ticket``, which was resolved, is not over."""

    kind: ClassVar[str] = "relay"
    about: About
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Identified:
    """It is known now whom the bot talks to; ``said`` False where that needs no words."""

    kind: ClassVar[str] = "small_talk"
    about: About
    organisation: Organisation
    level: Level
    said: bool = True


@dataclass(frozen=True, slots=True)
class Decline:
    """Say that this is not what the helpdesk is for, and what it is for."""

    kind: ClassVar[str] = "decline"
    about: About


@dataclass(frozen=True, slots=True)
class Relay:
    """Pass the message on to the people of the open ticket; ``announce`` tells the customer so.

    ``person``: the customer wants a person, and is told that one is on the way. ``edited``: it is a newer version of an older
    message.
    """

    kind: ClassVar[str] = "relay"
    about: About
    announce: bool = False
    person: bool = False
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Ignore:
    """Say and do nothing."""

    kind: ClassVar[str] = "ignore"
    about: About


Decision = (
    Answer
    | TicketStatus
    | TellIncident
    | ClarifyDetails
    | ClarifyTopic
    | AskIdentity
    | AskOrganisation
    | AskCode
    | Exclude
    | AskConsent
    | OpenTicket
    | HandOff
    | SmallTalk
    | Refuse
    | Withdraw
    | Settle
    | Confirm
    | Rate
    | Reopen
    | Identified
    | Decline
    | Relay
    | Ignore
)


def needs_ticket(decision: Decision) -> bool:
    """Whether a person must see this. Intent and gross negligence are for people to judge, so the bot only records them."""
    return isinstance(decision, OpenTicket) or (
        isinstance(decision, Exclude) and decision.about.category is Category.NEGLIGENCE
    )


def asks(decision: Decision) -> bool:
    """Whether it is a question whose answer the bot then waits for."""
    return isinstance(decision, ClarifyDetails | ClarifyTopic | AskIdentity | AskOrganisation | AskCode | AskConsent)
