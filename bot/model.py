"""What Firstline talks about: frozen values without behaviour that needs the outside world.

Identifiers are strings, times are aware datetimes, and nothing here does I/O or knows a chat platform, a database or a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

Address = Literal["sie", "du"]
"""How people are spoken to, in the languages that make a difference of it."""

Language = Literal["de", "en"]
LANGUAGES: tuple[Language, ...] = ("de", "en")


class Category(StrEnum):
    """The eleven kinds of message that the support agreement tells apart."""

    ERROR_REPORT = "in_scope.error_report"
    OPERATION = "in_scope.operation"
    USAGE = "in_scope.usage"
    TRAINING = "excluded.training"
    NEGLIGENCE = "excluded.negligence"
    LICENSE_DEFECT = "excluded.license_defect"
    ONSITE = "excluded.onsite"
    NOT_COVERED = "excluded.not_covered"
    OUT_OF_DOMAIN = "out_of_domain"
    SMALL_TALK = "small_talk"
    HUMAN_REQUEST = "human_request"

    @property
    def in_scope(self) -> bool:
        return self.value.startswith("in_scope.")

    @property
    def excluded(self) -> bool:
        return self.value.startswith("excluded.")


# --- what comes in and what goes out -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChatRef:
    """One place where people write: a private chat, a channel, a thread of a channel."""

    adapter: str
    chat_id: str
    thread_id: str | None = None

    @property
    def lane(self) -> str:
        """What platforms pace together, and so what is sent one after the other."""
        return f"{self.adapter}:{self.chat_id}"


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message; ``ref`` is the adapter's own handle to fetch it by."""

    name: str
    media_type: str
    size: int | None
    ref: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that we keep and may send; ``key`` finds it (see ``ports.Files``), ``size`` is in bytes."""

    key: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """What somebody did in a chat.

    ``message_id`` is the platform's identity of the message and what de-duplication goes by; ``delivery_id`` names this
    delivery of it and is kept for tracing only. ``action`` is the key of a pressed button or of a command, ``edit_of`` the
    message that this one is a newer version of, ``deletion_of`` the message that somebody has taken away (an edit and a deletion
    have a ``message_id`` of their own). ``invitation`` is the token of an invitation link that was followed. ``overheard``: it was
    said where others talk, too, and not to the bot, so it is a message only if a conversation is already under way there.
    ``moved_to``: nobody has said anything, the chat has got this new ``chat_id``.
    """

    chat: ChatRef
    message_id: str
    delivery_id: str
    sender: Person
    text: str
    sent_at: datetime
    attachments: tuple[Attachment, ...] = ()
    action: str | None = None
    reply_to: str | None = None
    edit_of: str | None = None
    deletion_of: str | None = None
    invitation: str | None = None
    overheard: bool = False
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """``action`` comes back as InboundMessage.action: at most 60 characters of a-z 0-9 _ . : - ."""

    label: str
    action: str


@dataclass(frozen=True, slots=True)
class Command:
    """A word that customers may type instead of pressing a button: ``name`` is a-z 0-9 _ , ``action`` as in Button.

    ``label`` is what the platform's menu says about it, in ``language``; without one it is understood but not offered. Words behind
    it are what counts, and no action is meant, unless the command ``takes_words``.
    """

    name: str
    action: str
    language: Language
    label: str | None = None
    takes_words: bool = False


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """What is to be said in a chat; ``text`` is Markdown (paragraphs, lists, **bold**, links, `code`).

    ``attachments`` are sent in their order, each by a part of its own; a short text goes with the first as its caption.
    ``mentions`` are called by name in front of the text, so that the platform tells them; their ids are the platform's.
    """

    chat: ChatRef
    text: str
    buttons: tuple[Button, ...] = ()
    reply_to: str | None = None
    edit_of: str | None = None
    attachments: tuple[File, ...] = ()
    mentions: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One piece that a platform takes in one call; ``payload`` is JSON that only the adapter that made it understands.

    ``key`` tells the part from all others for good, once it is in the outbox; until then it is empty.
    """

    chat: ChatRef
    payload: Mapping[str, object]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What a platform shows somebody in a place of their own, beside all conversations; ``text`` is Markdown."""

    text: str
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class FormField:
    """One thing to fill in: a choice where there are ``choices``, else a text; ``value`` is what stands there at first.

    Filled in it comes back as an InboundMessage of its own: a choice as ``action``, a colon and the value, a text as ``action``
    with the text; what is unchanged does not come, unless ``always``.
    """

    action: str
    label: str
    value: str = ""
    choices: tuple[Choice, ...] = ()
    always: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """Something to fill in, shown to whoever has pressed a button; all texts are plain. ``submit`` is the label of its button."""

    title: str
    submit: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform takes: characters in one text, buttons on one message, seconds between two sends in one chat."""

    text: int
    buttons: int
    pace: float = 0.0

    def pace_after(self, part: Part) -> float:  # noqa: ARG002 - for those that do look at it
        """Seconds until something else may be sent in the chat of ``part``, where a platform has kinds of chats or of parts."""
        return self.pace


Severity = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a set-up has found; ``remedy`` says what to do about it, and is empty where all is well."""

    level: Severity
    message: str
    remedy: str = ""


# --- what the classifier found --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A topic that a text may be about; ``probability`` is calibrated, 0 to 1."""

    topic: str
    category: Category
    probability: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An example that weighed in; ``similarity`` is 0 to 1."""

    text: str
    topic: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that a message is about.

    ``start`` and ``end`` are the span in the message. ``categories`` and ``topics`` are ranked, best first; the probabilities of
    ``categories`` sum to 1. ``faq`` is the topic whose approved answer fits first, if any, with its probability. ``vague`` is the
    probability that the text says too little to be decided. ``source`` names the stage that decided: exact, fuzzy, statistical.
    ``products`` are the ids of the products that it names, ours and those of others, as the company's file has them.
    """

    start: int
    end: int
    text: str
    categories: tuple[tuple[Category, float], ...]
    topics: tuple[Candidate, ...]
    faq: tuple[str, float] | None
    vague: float
    source: str
    nearest: tuple[Neighbour, ...] = ()
    products: tuple[str, ...] = ()

    @property
    def category(self) -> Category:
        return self.categories[0][0]

    @property
    def confidence(self) -> float:
        return self.categories[0][1]

    def probability(self, category: Category) -> float:
        return next((p for c, p in self.categories if c is category), 0.0)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a message is about; ``matters`` has at least one, in the order of the text.

    ``language`` is None when the text does not show one (too short, a code).
    """

    matters: tuple[Matter, ...]
    language: Language | None
    catalogue_version: str


# --- conversations and tickets ---------------------------------------------------------------------


class Mode(StrEnum):
    """Who speaks with the customer: the bot, nobody yet (a person was called), a person."""

    BOT = "bot"
    WAITING = "waiting"
    HUMAN = "human"


class Author(StrEnum):
    """Who says an outgoing message, or for ``STAFF`` to whom: it is for staff alone, and is never sent anywhere but to their place.

    What the bot says is dropped when a person has taken over; the rest is not.
    """

    BOT = "bot"
    PERSON = "person"
    NOTICE = "notice"
    STAFF = "staff"


class Mark(StrEnum):
    """What a member of staff sees on a message of theirs: kept as a note, on its way to the customer, there, not there."""

    NOTED = "noted"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Pending:
    """The one question that the bot has asked and not yet had answered.

    ``kind``: details, topic, identity, code, consent, helped. ``options`` are the action keys that answer it; ``data`` holds what
    the bot needs to go on, by name (``text``: what the customer said before). After ``expires_at`` it is no question any more.
    """

    kind: str
    asked_at: datetime
    options: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None

    @property
    def text(self) -> str:
        return self.data.get("text", "")


@dataclass(frozen=True, slots=True)
class Conversation:
    """``ticket`` is the number of the newest ticket; ``topic`` what was last spoken of; ``last_text`` what the customer last wrote;
    ``misses`` how many answers to this topic have not helped. ``organisation`` is the id of the customer that is spoken with, as
    far as it is known. ``closed_until``: the customer has been told that nobody reads before then.
    """

    id: str
    chat: ChatRef
    mode: Mode = Mode.BOT
    owner: str | None = None
    ticket: int | None = None
    misses: int = 0
    pending: Pending | None = None
    topic: str | None = None
    language: Language | None = None
    greeted: bool = False
    last_text: str | None = None
    organisation: str | None = None
    closed_until: datetime | None = None
    version: int = 0


class TicketState(StrEnum):
    OPEN = "open"
    TAKEN = "taken"
    WAITING_FOR_CUSTOMER = "waiting_for_customer"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that people see; ``reason`` says why the bot handed it over.

    ``organisation`` is the customer's id and ``level`` how sure that is (a value of bot.agreement.customers.Level; None where
    nobody was asked). ``due_at`` is when a first response was promised. ``progress`` is what the customer may read of how it
    stands, if staff have put it into words. ``assignee`` is the name and ``assignee_id`` the id of whoever has it, has resolved
    it, or is asked to take it; who talks to the customer is ``owner``. ``follows`` is the number of the ticket that it goes on
    with, ``merged_into`` of the one that it has become a part of. ``rating`` is 1 to 5.
    """

    number: int
    conversation_id: str
    state: TicketState
    reason: str
    category: Category | None
    topic: str | None
    priority: Priority
    subject: str
    created_at: datetime
    facts: Mapping[str, str] = field(default_factory=dict)
    assignee: str | None = None
    organisation: str | None = None
    level: str | None = None
    person: str | None = None
    due_at: datetime | None = None
    progress: str | None = None
    assignee_id: str | None = None
    follows: int | None = None
    merged_into: int | None = None
    resolved_at: datetime | None = None
    reopened_at: datetime | None = None
    rating: int | None = None
    rating_words: str | None = None
    version: int = 0

    @property
    def owner(self) -> Person | None:
        """The person who talks to the customer about it now."""
        if self.state not in (TicketState.TAKEN, TicketState.WAITING_FOR_CUSTOMER) or self.assignee_id is None:
            return None
        return Person(self.assignee_id, self.assignee or self.assignee_id)

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something about it."""
        return self.state not in (TicketState.RESOLVED, TicketState.CLOSED)

    @property
    def key(self) -> str:
        return ticket_key(self.number)


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault that staff know of. It concerns messages on one of its ``topics``, or that have one of its ``words`` in them."""

    id: int
    text: Mapping[Language, str]
    since: datetime
    topics: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StaffAlert:
    """Something that staff should hear of: ``key`` is a key below ``alert`` in the texts, ``step`` the rung of a ladder, from 1.

    ``to``: the ids of those whom it concerns; nobody named: everybody. ``text``: the customer's words, where there are some.
    """

    key: str
    ticket: int
    step: int = 1
    to: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a card: both in words."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Card:
    """What a surface shows of a ticket. ``audience`` says for whom its words are; a card for staff is never shown to a customer.

    ``title``, labels and values are plain text, ``body`` is Markdown.
    """

    audience: Literal["staff", "customer"]
    ticket: int
    title: str
    fields: tuple[Field, ...] = ()
    body: str = ""
    buttons: tuple[Button, ...] = ()


def ticket_key(number: int) -> str:
    return f"HD-{number:06d}"


Json = Mapping[str, object] | Sequence[object] | str | int | float | bool | None
