"""Plays dialogues on a fresh in-memory instance, through the real core from inbox to outbox, under a clock of its own.

For acceptance transcripts and for `firstline replay`. It judges nothing, and must not reach around the use cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.desk.customers import MAIL
from bot.model import (
    Attachment,
    Button,
    ChatRef,
    Conversation,
    InboundMessage,
    Limits,
    OutboundMessage,
    Part,
    Person,
    Ticket,
)
from bot.ports import Classifier, Receive
from bot.running import App
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
        shown = tuple(Button(label, action) for label, action in buttons)
        self.sent.append(Said(part.chat, str(part.payload["text"]), shown))
        return str(uuid4())

    def take(self, chat: ChatRef) -> tuple[Said, ...]:
        """What has been said in ``chat`` since the last time."""
        taken = tuple(said for said in self.sent if said.chat == chat)
        self.sent[:] = [said for said in self.sent if said.chat != chat]
        return taken

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        """Every file that comes with a message can be had; what is in it does not matter here."""
        yield attachment.name.encode()

    async def close(self) -> None:
        """There is nothing to give back."""


@dataclass(frozen=True)
class Said:
    chat: ChatRef
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
    """One dialogue under way, as ``person`` sees it in a private chat. ``mail`` holds the mails that went out."""

    app: App
    playback: Playback
    clock: Clock
    mail: Playback | None = None
    burst: timedelta = timedelta()
    person: Person = CUSTOMER
    chat: ChatRef = field(default_factory=lambda: ChatRef("replay", str(uuid4())))
    shown: list[Button] = field(default_factory=list)
    """Every button that the person has been offered, the newest last."""
    _seen: int = 0
    _buttons: tuple[Button, ...] = ()

    def beside(self, person: Person) -> Stage:
        """The same instance as ``person`` sees it, in a chat of their own."""
        return Stage(self.app, self.playback, self.clock, self.mail, self.burst, person)

    async def customer(
        self,
        *texts: str,
        message_id: str | None = None,
        attachments: tuple[Attachment, ...] = (),
        sender: Person | None = None,
    ) -> Happened:
        """The customer writes, several texts in quick succession; one that is the label of a button last shown presses it.

        ``sender``: somebody else in the same chat.
        """
        for text in texts:
            action = next((button.action for button in self._buttons if button.label == text), None)
            said = "" if action else text
            identity = message_id or str(uuid4())
            await self._receive(identity, said, sender, action=action, attachments=attachments)
        return await self._handled()

    async def press(self, action: str) -> Happened:
        """The customer presses a button, of the newest message or of an older one."""
        await self._receive(str(uuid4()), "", action=action)
        return await self._handled()

    async def follow(self, invitation: str) -> Happened:
        """The customer follows the link of an invitation."""
        await self._receive(str(uuid4()), "", invitation=invitation)
        return await self._handled()

    async def edits(self, message_id: str, text: str) -> Happened:
        """The customer gives an earlier message another text."""
        await self._receive(f"{message_id}:{uuid4()}", text, edit_of=message_id)
        return await self._handled()

    async def deletes(self, message_id: str) -> Happened:
        """The customer takes an earlier message away."""
        await self._receive(f"{message_id}:{uuid4()}", "", deletion_of=message_id)
        return await self._handled()

    async def _receive(self, identity: str, text: str, sender: Person | None = None, **more: Any) -> None:
        await self.app.receiver(
            InboundMessage(
                chat=self.chat,
                message_id=identity,
                delivery_id=identity,
                sender=sender or self.person,
                text=text,
                sent_at=self.clock(),
                **more,
            )
        )

    async def _handled(self) -> Happened:
        if self.burst:  # the worker waits for more until its own timer says that nothing came
            await self.app.engine.settled()
            self.clock.time += self.burst
            await asyncio.sleep(2 * self.burst.total_seconds())
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
            await self.app.engine.sweep()
            await self.app.engine.settled()
        self.clock.time = end
        await self.app.engine.sweep()
        return await self._happened()

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
        replies = self.playback.take(self.chat)
        self.shown += [button for reply in replies for button in reply.buttons]
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
    burst: timedelta = timedelta(),
    mail: bool = False,
) -> AsyncIterator[Stage]:
    """A fresh instance in memory. ``catalogue`` and ``classifier``: loaded already, when many dialogues are played.

    ``burst``: how long the worker waits for more of the same turn. ``mail``: codes can be mailed.
    """
    clock, playback, letters = Clock(now), Playback(), Playback(MAIL)
    # The time to take a reply back means nothing where the clock stands still.
    in_memory = settings.model_copy(
        update={
            "database_url": "sqlite://",
            "burst_seconds": burst.total_seconds(),
            "undo_seconds": 0.0,
        }
    )
    adapters = [playback, letters] if mail else [playback]
    async with (
        build(in_memory, adapters=adapters, clock=clock, classifier=classifier, catalogue=catalogue) as app,
        app.working(),
    ):
        yield Stage(app, playback, clock, letters if mail else None, burst)
