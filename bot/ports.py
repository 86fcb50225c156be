"""What the core asks of the outside world: small protocols that adapters, classifiers and engines fulfil.

It must not know any implementation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bot.model import (
    Attachment,
    Card,
    ChatRef,
    Form,
    InboundMessage,
    Limits,
    Mark,
    OutboundMessage,
    Page,
    Part,
    Person,
    Prediction,
)

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

Clock = Callable[[], datetime]
"""Tells the time as an aware datetime."""

Receive = Callable[[InboundMessage], Awaitable[None]]
"""Stores a message durably; once it has returned, and not before, the platform may be told that the message has arrived.

Raises FirstlineError when the message could not be stored: the platform must then deliver it again.
"""


Home = Callable[[ChatRef, Person], Awaitable[Page]]
"""What somebody finds in the place of their own that a platform has for them; the chat is their direct one with the bot.

Raises FirstlineError.
"""


Forms = Callable[[InboundMessage], Awaitable[Form | None]]
"""The form that is to be shown at once to whoever has pressed a button; the press itself is then not handed over. None: it is.

A platform without forms never asks. Never fails.
"""


class ChatAdapter(Protocol):
    """One chat platform. ``name`` is the ``ChatRef.adapter`` of its chats."""

    name: str
    limits: Limits

    async def run(self, receive: Receive) -> None:
        """Hand every message to ``receive`` until cancelled; confirm upstream only after ``receive`` returned."""
        ...

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        """Split and escape: one part for each call that the platform will need. Pure; at least one part."""
        ...

    async def send(self, part: Part) -> str:
        """Send one part and return the platform's id of the message. Raises DeliveryError."""
        ...

    async def close(self) -> None:
        """Give back connections, once nothing is received or sent any more."""
        ...


@runtime_checkable
class Reachable(Protocol):
    """An adapter that its platform calls over the web."""

    def routes(self) -> Sequence[BaseRoute]:
        """Where it wants to be called; none if it is not to be called. Until ``run`` has begun it answers 503."""
        ...


@runtime_checkable
class Exclusive(Protocol):
    """An adapter that may have to be run by one process at a time."""

    @property
    def exclusive(self) -> bool:
        """Two that run would take messages away from each other; the others then wait until the one has ended."""
        ...


@runtime_checkable
class ShowsWorking(Protocol):
    """An adapter that can show that a reply is being worked on."""

    def working(self, chat: ChatRef) -> None:
        """Show it for a few seconds. Returns at once and never fails: it is only a courtesy."""
        ...


@runtime_checkable
class CanFind(Protocol):
    """An adapter whose platform can be asked whether it has a message."""

    async def find(self, part: Part) -> str | None:
        """The platform's id of ``part`` if it has been sent; None: it has not, so sending it is no repetition.

        Raises DeliveryError; permanent: the platform will not say.
        """
        ...


@runtime_checkable
class FileSource(Protocol):
    """What a chat adapter is as well, if files come through its platform."""

    def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        """The bytes of a file that came with a message, in pieces. Raises DeliveryError; permanent: it cannot be had any more."""
        ...


class Files(Protocol):
    """Keeps files outside the database, under keys that follow from their content. Every verb raises FilesError."""

    async def put(self, folder: str, chunks: AsyncIterator[bytes]) -> str:
        """Keep what ``chunks`` gives and return its key: ``folder``, a slash, and the SHA-256 of the content in hex.

        It is durable once this has returned, and nothing is kept of it if ``chunks`` raises. Twice the same is once.
        """
        ...

    def open(self, key: str) -> AsyncGenerator[bytes, None]:
        """The content in pieces. Raises FileGoneError when it is not there."""
        ...

    async def remove(self, key: str) -> None:
        """Forget the file; that it is gone already is no error."""
        ...


class Classifier(Protocol):
    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        """What each text is about. Deterministic and safe to call from several threads."""
        ...


class Transaction(Protocol):
    """A database transaction under way."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once the transaction has been committed; never if it is rolled back."""
        ...

    async def tell(self, statement: str, parameters: Mapping[str, Any]) -> None:
        """Execute an SQL statement, one of few, in it: for an engine whose wake-ups are part of the transaction.

        ``:name`` in it is one of ``parameters``.
        """
        ...


class Engine(Protocol):
    """Wakes work; correctness never depends on it, a lost wake-up is only a delay."""

    async def wake(self, transaction: Transaction, kind: str, lane: str, delay: timedelta = timedelta()) -> None:
        """See to it that the handler of ``kind`` runs for ``lane`` after the commit and ``delay``."""
        ...

    async def run(self) -> None:
        """Run the handlers until cancelled, for each (kind, lane) one at a time."""
        ...


class Leadership(Protocol):
    """Lets one of several processes do what only one may do at a time."""

    async def lead(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` once no other process does what is called ``name``. Raises what it raises.

        If another process may have come to lead meanwhile, ``work`` is cancelled, and begins anew when it can.
        """
        ...


@runtime_checkable
class StaffSurface(Protocol):
    """An adapter in whose chats staff can work: each ticket is a thread there, with a card. All but the last are pure.

    ``send`` goes by the thread of the part's chat: when a part is made, its thread may not be there yet. Raises ValueError for
    what the platform cannot show.
    """

    def draw(self, chat: ChatRef, card: Card, card_id: str | None) -> Sequence[Part]:
        """Open a thread for the card, or draw the card ``card_id`` anew.

        The platform's id of the first part of a new thread is that of the thread, that of the last is the card's.
        """
        ...

    def shut(self, chat: ChatRef, *, shut: bool) -> Sequence[Part]:
        """Close the thread, or open it again; nothing where a platform does not tell the two apart."""
        ...

    def mark(self, chat: ChatRef, message_id: str, mark: Mark) -> Sequence[Part]:
        """Show on the message of somebody of staff what has become of it."""
        ...

    async def is_member(self, chat: ChatRef, person: Person) -> bool:
        """Whether the person belongs to the chat. Raises DeliveryError when that cannot be said just now."""
        ...
