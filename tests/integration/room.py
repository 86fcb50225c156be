"""The whole application with customers on one platform in memory and staff on another, each ticket a thread there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.errors import DeliveryError
from bot.model import Attachment, Card, ChatRef, InboundMessage, Mark, OutboundMessage, Part, Person, Ticket
from bot.running import App
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, FakeClassifier, a_message

ROOM = "room"
MEMBERS = ("kim", "mira")


class FilesAdapter(FakeAdapter):
    """A platform through which files come, by the handles in ``files``, and to which they go."""

    def __init__(self, name: str = "fake") -> None:
        super().__init__(name)
        self.files: dict[str, bytes] = {}

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        text = " ".join(filter(None, [message.text, *(f"[{file.name}]" for file in message.attachments)]))
        return [Part(message.chat, {"text": text, "buttons": [button.action for button in message.buttons]})]

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        if attachment.ref not in self.files:
            raise DeliveryError("gone", permanent=True)
        yield self.files[attachment.ref]


class RoomAdapter(FilesAdapter):
    """A platform with threads: opening one is a call of its own, as on Telegram; what arrives is kept by thread."""

    def __init__(self) -> None:
        super().__init__("desk")
        self.threads: dict[str, list[str]] = {}
        """What is to be read in each thread, by its id; the card is the first."""
        self.cards: dict[str, Card] = {}
        self.shut_threads: set[str] = set()
        self.marks: dict[str, list[Mark]] = {}
        self.outside: list[str] = []
        """What is to be read outside of every thread."""
        self.buttons: list[list[str]] = []
        self.members = set(MEMBERS)
        self.calls: list[str] = []
        self._ids = count(1)

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        called = " ".join(f"@{person.id}" for person in message.mentions)
        text = " ".join(filter(None, [called, message.text, *(f"[{f.name}]" for f in message.attachments)]))
        buttons = [button.action for button in message.buttons]
        return [Part(message.chat, {"do": "say", "text": text, "buttons": buttons, "edit_of": message.edit_of})]

    def draw(self, chat: ChatRef, card: Card, card_id: str | None) -> Sequence[Part]:
        shown = {
            "title": card.title,
            "fields": {field.label: field.value for field in card.fields},
            "buttons": [button.action for button in card.buttons],
        }
        if card_id is not None:
            return [Part(chat, {"do": "redraw", "card": shown, "id": card_id})]
        return [Part(chat, {"do": "open"}), Part(chat, {"do": "card", "card": shown})]

    def shut(self, chat: ChatRef, *, shut: bool) -> Sequence[Part]:
        return [Part(chat, {"do": "shut" if shut else "reopen"})]

    def mark(self, chat: ChatRef, message_id: str, mark: Mark) -> Sequence[Part]:
        return [Part(chat, {"do": "mark", "id": message_id, "mark": mark.value})]

    async def is_member(self, chat: ChatRef, person: Person) -> bool:
        return person.id in self.members

    def delete(self, thread: str) -> None:
        """As somebody does who tidies up."""
        del self.threads[thread]

    async def send(self, part: Part) -> str:
        step = self.behaviour.popleft() if self.behaviour else None
        if isinstance(step, Exception):
            raise step
        payload: Any = part.payload
        number, thread = str(next(self._ids)), part.chat.thread_id
        self.calls.append(payload["do"])
        if payload["do"] == "open":
            self.threads[f"t{number}"] = []
            return f"t{number}"
        if thread is not None and thread not in self.threads:
            raise DeliveryError("there is no such thread", thread_gone=True)
        match payload["do"]:
            case "say":
                self.buttons.append(payload["buttons"])
                (self.outside if thread is None else self.threads[thread]).append(payload["text"])
            case "card" | "redraw":
                assert thread is not None
                self.cards[thread] = payload["card"]
            case "shut":
                self.shut_threads.add(str(thread))
            case "reopen":
                self.shut_threads.discard(str(thread))
            case "mark":
                self.marks.setdefault(payload["id"], []).append(Mark(payload["mark"]))
        return str(payload.get("id", number))


@dataclass
class House:
    """``customers`` and ``staff`` are the two platforms."""

    app: App
    customers: FilesAdapter
    staff: RoomAdapter
    _ids: Any = field(default_factory=lambda: count(1))

    async def settled(self) -> None:
        """Wait until everything that has been said has had its effects."""
        for _ in range(3):
            await self.app.engine.sweep()
            await self.app.engine.settled()

    async def customer(self, text: str, **more: Any) -> InboundMessage:
        message = a_message(text, **more)
        await self.app.receiver(message)
        await self.settled()
        return message

    async def says(
        self, text: str, *, who: str = "kim", thread: str | None = "t1", action: str | None = None, **more: Any
    ) -> InboundMessage:
        """Somebody writes, or presses, where staff sit."""
        message = a_message(
            text, chat=ROOM, adapter="desk", sender=who, thread=thread, action=action, message_id=f"s{next(self._ids)}"
        )
        for name, value in more.items():
            object.__setattr__(message, name, value)
        await self.app.receiver(message)
        await self.settled()
        return message

    async def press(self, action: str, *, who: str = "kim", thread: str | None = "t1", **more: Any) -> None:
        await self.says("", who=who, thread=thread, action=action, **more)

    @property
    def thread(self) -> list[str]:
        """What is to be read in the first thread."""
        return self.staff.threads["t1"]

    @property
    def card(self) -> dict[str, Any]:
        card: Any = self.staff.cards["t1"]
        return dict(card)

    async def ticket(self, number: int = 1) -> Ticket:
        async with self.app.store.snapshot() as session:
            ticket = await session.tickets.get(number)
        assert ticket is not None
        return ticket


@asynccontextmanager
async def a_house(database: TestDatabase, folder: Path, catalogue: Catalogue, **settings: Any) -> AsyncIterator[House]:
    given: dict[str, Any] = {"undo_seconds": 0, "staff_chat": f"desk:{ROOM}", "burst_seconds": 0} | settings
    made = Settings.load(data=folder, database_url=database.url, **given)
    customers, staff = FilesAdapter(), RoomAdapter()
    async with (
        build(made, adapters=[customers, staff], classifier=FakeClassifier(), catalogue=catalogue) as app,
        app.working(),
    ):
        await asyncio.sleep(0)
        yield House(app, customers, staff)
