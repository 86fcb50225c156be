"""Plays dialogues on a fresh in-memory instance, through the real core from inbox to outbox, under a clock of its own.

For acceptance transcripts and for `firstline replay`. It judges nothing, and must not reach around the use cases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from bot.bootstrap import App, build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
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
        identity = message_id or str(uuid4())
        await self.app.receiver(
            InboundMessage(
                chat=self.chat,
                message_id=identity,
                delivery_id=identity,
                sender=sender,
                text="" if action else text,
                action=action,
                sent_at=self.clock(),
            )
        )
        return await self._happened()

    async def staff(self, text: str, staff: Person = STAFF) -> Happened:
        if ticket := await self._ticket():
            await self.app.desk.reply(ticket, staff, text)
        return await self._happened()

    async def take_over(self, staff: Person = STAFF) -> Happened:
        if ticket := await self._ticket():
            await self.app.desk.take(ticket, staff)
        return await self._happened()

    async def hand_back(self, staff: Person = STAFF) -> Happened:
        if ticket := await self._ticket():
            await self.app.desk.hand_back(ticket, staff)
        return await self._happened()

    async def pass_time(self, duration: timedelta) -> Happened:
        self.clock.time += duration
        await self.app.engine.sweep()
        return await self._happened()

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
    in_memory = settings.model_copy(update={"database_url": "sqlite+aiosqlite://", "burst_seconds": 0.0})
    async with (
        build(in_memory, adapters=[playback], clock=clock, classifier=classifier, catalogue=catalogue) as app,
        app.working(),
    ):
        yield Stage(app, playback, clock)


# --- dialogues in JSON lines ---------------------------------------------------------------------------------


class Setup(BaseModel):
    """How things stand before the first turn; what the core does not know yet is accepted and left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    now: AwareDatetime = START


class Line(BaseModel):
    """One turn. ``type`` and ``message_id`` belong to events, ``expect`` and ``checks`` are for whoever reads."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    speaker: Literal["customer", "staff", "event"] = Field(alias="from")
    text: str = ""
    type: Literal["staff_takeover", "hand_back", "message_edited", "message_deleted", "time_passes"] | None = None
    message_id: str | None = None


class Dialogue(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    setup: Setup = Setup()
    turns: tuple[Line, ...]


_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


async def replayed(
    dialogue: Dialogue, settings: Settings, catalogue: Catalogue, classifier: Classifier
) -> AsyncIterator[dict[str, Any]]:
    """One JSON object a turn, also for a silent one."""
    async with stage(settings, catalogue=catalogue, classifier=classifier, now=dialogue.setup.now) as play:
        for number, line in enumerate(dialogue.turns):
            happened = await _played(play, line, number)
            yield {"id": dialogue.id, "turn": number, **_shown(happened)}


async def _played(play: Stage, line: Line, number: int) -> Happened:
    match line.speaker, line.type:
        case "customer", _:
            return await play.customer(line.text, message_id=line.message_id or str(number))
        case "staff", _:
            return await play.staff(line.text)
        case _, "staff_takeover":
            return await play.take_over()
        case _, "hand_back":
            return await play.hand_back()
        case _, "time_passes":
            return await play.pass_time(_DURATION.validate_python(line.text))
    return await play.nothing()


def _shown(happened: Happened) -> dict[str, Any]:
    conversation, ticket = happened.conversation, happened.ticket
    language = conversation.language if conversation else None
    keys = ("kind", "category", "faq", "confidence")
    decisions = [{key: decision[key] for key in keys} for decision in happened.decisions]
    pending = conversation.pending.kind if conversation and conversation.pending else None
    return {
        "replies": [
            {"text": reply.text, "lang": language, "buttons": [button.label for button in reply.buttons]}
            for reply in happened.replies
        ],
        "decision": decisions[0] if decisions else {"kind": "ignore", "category": None, "faq": None, "confidence": 0.0},
        "decisions": decisions,
        "conversation": {
            "mode": conversation.mode.value if conversation else "bot",
            "language": language,
            "pending": pending,
        },
        "ticket": None
        if ticket is None
        else {
            "id": ticket.key,
            "state": ticket.state.value,
            "reason": ticket.reason,
            "category": ticket.category.value if ticket.category else None,
            "topic": ticket.topic,
            "priority": ticket.priority.value,
            "subject": ticket.subject,
            "assignee": ticket.assignee,
            "facts": dict(ticket.facts),
        },
        "events": [event.kind for event in happened.events],
    }
