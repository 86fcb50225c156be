"""Plays dialogues on a fresh in-memory instance, through the real core from inbox to outbox, under a clock of its own.

For acceptance transcripts and for `firstline replay`. It judges nothing, and must not reach around the use cases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from bot.bootstrap import App, build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.desk.lanes import CLOCK
from bot.model import Button, ChatRef, Conversation, InboundMessage, Limits, OutboundMessage, Part, Person, Ticket
from bot.ports import Classifier, Receive
from bot.storage.events import Event

CUSTOMER = Person("customer", "Customer")
STAFF = Person("staff", "Kim Berger")
START = datetime.fromisoformat("2026-03-04T11:00+01:00")


@dataclass
class Clock:
    """Stands still until it is moved."""

    time: datetime = START

    def __call__(self) -> datetime:
        return self.time


@dataclass
class Playback:
    """A chat platform that keeps what is sent."""

    name: str = "replay"
    limits: Limits = field(default_factory=lambda: Limits(text=100_000, buttons=50))
    sent: list[Said] = field(default_factory=list)

    async def run(self, receive: Receive) -> None:
        """Nothing comes in by itself: the stage hands messages to the core."""

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        buttons = [[button.label, button.action] for button in message.buttons]
        return [Part(message.chat, {"text": message.text, "buttons": buttons})]

    async def send(self, part: Part) -> str:
        buttons = part.payload["buttons"]
        assert isinstance(buttons, list)
        self.sent.append(Said(str(part.payload["text"]), tuple(Button(label, action) for label, action in buttons)))
        return str(uuid4())

    async def close(self) -> None:
        """There is nothing to give back."""


@dataclass(frozen=True)
class Said:
    text: str
    buttons: tuple[Button, ...]


@dataclass(frozen=True)
class Happened:
    """What one turn led to: what the customer got, what was decided, and how things stand."""

    replies: tuple[Said, ...]
    decisions: tuple[Mapping[str, Any], ...]
    conversation: Conversation | None
    ticket: Ticket | None
    events: tuple[Event, ...]


@dataclass
class Stage:
    """One dialogue under way."""

    app: App
    playback: Playback
    clock: Clock
    chat: ChatRef = field(default_factory=lambda: ChatRef("replay", str(uuid4())))
    _seen: int = 0
    _buttons: tuple[Button, ...] = ()

    async def customer(self, text: str, *, message_id: str | None = None, sender: Person = CUSTOMER) -> Happened:
        """The customer writes; a text that is the label of a button last shown presses it."""
        action = next((button.action for button in self._buttons if button.label == text), None)
        return await self._received(message_id or str(uuid4()), "" if action else text, sender, action=action)

    async def edits(self, message_id: str, text: str, sender: Person = CUSTOMER) -> Happened:
        """The customer gives an earlier message another text."""
        return await self._received(f"{message_id}:{uuid4()}", text, sender, edit_of=message_id)

    async def deletes(self, message_id: str, sender: Person = CUSTOMER) -> Happened:
        """The customer takes an earlier message away."""
        return await self._received(f"{message_id}:{uuid4()}", "", sender, deletion_of=message_id)

    async def _received(self, identity: str, text: str, sender: Person, **more: Any) -> Happened:
        await self.app.receiver(
            InboundMessage(
                chat=self.chat,
                message_id=identity,
                delivery_id=identity,
                sender=sender,
                text=text,
                sent_at=self.clock(),
                **more,
            )
        )
        return await self._happened()

    async def staff(self, text: str, staff: Person = STAFF) -> Happened:
        await self.app.desk.reply(await self.case(staff), staff, text)
        return await self._happened()

    async def take_over(self, staff: Person = STAFF) -> Happened:
        await self.app.desk.take(await self.case(staff), staff)
        return await self._happened()

    async def case(self, staff: Person) -> int:
        """The ticket that a person acts on; one is opened where a person joins in before the bot saw a need for it."""
        if ticket := await self._ticket():
            return ticket
        async with self.app.store.transaction() as session:
            conversation_id, _ = await session.conversations.next_seq(self.chat, self.clock())
        return await self.app.desk.open(conversation_id, staff)

    async def hand_back(self, staff: Person = STAFF) -> Happened:
        if ticket := await self._ticket():
            await self.app.desk.hand_back(ticket, staff)
        return await self._happened()

    async def pass_time(self, duration: timedelta) -> Happened:
        """Time passes, and whatever falls due meanwhile happens when it does."""
        end = self.clock.time + duration
        while (due := await self._next_timer()) is not None and due <= end:
            self.clock.time = max(due, self.clock.time)
            await self._ring()
        self.clock.time = end
        await self.app.engine.sweep()
        return await self._happened()

    async def _ring(self) -> None:
        """Wake the clockwork, which may be asleep until a later time of the real clock: this one is moved."""
        conversation = await self.conversation()
        assert conversation is not None
        async with self.app.store.transaction() as session:
            await self.app.engine.wake(session, CLOCK, conversation.id)
        await self.app.engine.settled()

    async def _next_timer(self) -> datetime | None:
        conversation = await self.conversation()
        if conversation is None:
            return None
        async with self.app.store.snapshot() as session:
            return await session.timers.next(conversation.id)

    async def nothing(self) -> Happened:
        return await self._happened()

    async def conversation(self) -> Conversation | None:
        async with self.app.store.snapshot() as session:
            return await session.conversations.find(self.chat)

    async def _ticket(self) -> int | None:
        conversation = await self.conversation()
        return conversation.ticket if conversation else None

    async def _happened(self) -> Happened:
        await self.app.engine.settled()
        conversation = await self.conversation()
        replies, self.playback.sent[:] = tuple(self.playback.sent), []
        self._buttons = replies[-1].buttons if replies else self._buttons
        events: tuple[Event, ...] = ()
        ticket: Ticket | None = None
        if conversation is not None:
            async with self.app.store.snapshot() as session:
                history = await session.events.of_conversation(conversation.id)
                ticket = await session.tickets.get(conversation.ticket) if conversation.ticket else None
            events, self._seen = history[self._seen :], len(history)
        decisions = tuple(d for event in events if event.kind == "turn" for d in event.data["decisions"])
        return Happened(replies, decisions, conversation, ticket, events)


@asynccontextmanager
async def stage(
    settings: Settings,
    *,
    catalogue: Catalogue | None = None,
    classifier: Classifier | None = None,
    now: datetime = START,
) -> AsyncIterator[Stage]:
    """A fresh instance in memory. ``catalogue`` and ``classifier``: loaded already, when many dialogues are played."""
    clock, playback = Clock(now), Playback()
    # Neither bursts nor the time to take a reply back mean anything where the clock stands still.
    in_memory = settings.model_copy(
        update={"database_url": "sqlite+aiosqlite://", "burst_seconds": 0.0, "undo_seconds": 0.0}
    )
    async with (
        build(in_memory, adapters=[playback], clock=clock, classifier=classifier, catalogue=catalogue) as app,
        app.working(),
    ):
        yield Stage(app, playback, clock)
