"""Everything that tests put in the place of the outside world: a platform, a classifier, a clock, a waking engine.

They fulfil the ports and misbehave on request. They are never stand-ins for parts of ours: the database is always a real one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from bot.model import (
    Attachment,
    Category,
    ChatRef,
    InboundMessage,
    Language,
    Limits,
    Matter,
    OutboundMessage,
    Part,
    Person,
    Prediction,
)
from bot.ports import Receive, Transaction

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_ids = count(1)


def a_message(
    text: str = "Guten Tag",
    *,
    chat: str = "c1",
    thread: str | None = None,
    sender: str = "kunde",
    message_id: str | None = None,
    action: str | None = None,
    attachments: tuple[Attachment, ...] = (),
    adapter: str = "fake",
) -> InboundMessage:
    """A message as the fake platform would deliver it, each time with an identity of its own unless one is given."""
    number = next(_ids)
    return InboundMessage(
        chat=ChatRef(adapter, chat, thread),
        message_id=message_id or f"m{number}",
        delivery_id=f"d{number}",
        sender=Person(sender, sender.title()),
        text=text,
        sent_at=START,
        attachments=attachments,
        action=action,
    )


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class FakeAdapter:
    """A chat platform in memory. ``behaviour`` says what each of the next sends does: raise, call, or (None) succeed."""

    def __init__(self, name: str = "fake", *, limits: Limits | None = None, paragraphs: bool = False) -> None:
        """``paragraphs``: each paragraph needs a call of its own, so that one reply is several parts."""
        self.name = name
        self.limits = limits or Limits(text=4000, buttons=10)
        self.paragraphs = paragraphs
        self.behaviour: deque[Exception | Callable[[], Awaitable[None]] | None] = deque()
        self.render_fault: Exception | None = None
        self.closed = False
        self.incoming: asyncio.Queue[InboundMessage] = asyncio.Queue()
        self.acknowledged: list[str] = []
        self.tried: list[str] = []
        self.sent: list[tuple[str, str]] = []
        """(chat id, text) of everything that arrived."""
        self.times: list[float] = []
        """When it arrived, by the loop's clock."""

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.sent]

    async def run(self, receive: Receive) -> None:
        while True:
            message = await self.incoming.get()
            await receive(message)
            self.acknowledged.append(message.message_id)

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        if self.render_fault is not None:
            raise self.render_fault
        texts = message.text.split("\n\n") if self.paragraphs else [message.text]
        buttons = [button.action for button in message.buttons]
        return [Part(message.chat, {"text": text, "buttons": buttons}) for text in texts]

    async def send(self, part: Part) -> str:
        text = str(part.payload["text"])
        self.tried.append(text)
        step = self.behaviour.popleft() if self.behaviour else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            await step()
        self.sent.append((part.chat.chat_id, text))
        self.times.append(asyncio.get_running_loop().time())
        return f"p{len(self.sent)}"

    async def close(self) -> None:
        self.closed = True


class FakeClassifier:
    """Knows a fault by the word "kaputt", a wish for a person by "Mensch"; all else is small talk. Deterministic."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.poison: set[str] = set()
        """Texts that contain one of these cannot be classified."""
        self.gate: threading.Event | None = None
        """While it is there and not set, every batch waits for it."""
        self.entered = threading.Event()
        """Set as soon as a batch is being classified."""
        self.seconds = 0.0
        """How long each batch takes."""

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        self.batches.append(list(texts))
        self.entered.set()
        time.sleep(self.seconds)
        if self.gate is not None and not self.gate.wait(10):
            raise TimeoutError("nobody opened the gate")
        for text in texts:
            if any(word in text for word in self.poison):
                raise ValueError("this text cannot be classified")
        return [self.prediction(text) for text in texts]

    @staticmethod
    def prediction(text: str, language: Language | None = "de") -> Prediction:
        category = Category.SMALL_TALK
        if "kaputt" in text:
            category = Category.ERROR_REPORT
        elif "Mensch" in text:
            category = Category.HUMAN_REQUEST
        matter = Matter(
            start=0,
            end=len(text),
            text=text,
            categories=((category, 1.0),),
            topics=(),
            faq=None,
            vague=0.0,
            source="exact",
        )
        return Prediction((matter,), language, "fake")


class WakeLog:
    """An engine that never runs anything: it only notes what would have been woken, after the commit as all engines do."""

    def __init__(self) -> None:
        self.woken: list[tuple[str, str]] = []
        self.delays: list[timedelta] = []

    async def wake(self, transaction: Transaction, kind: str, lane: str, delay: timedelta = timedelta()) -> None:
        def woken() -> None:
            self.woken.append((kind, lane))
            self.delays.append(delay)

        transaction.after_commit(woken)

    async def run(self) -> None:
        await asyncio.Event().wait()


class Committed:
    """A transaction that is as good as committed, for tests of engines, which need no database."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        callback()

    async def tell(self, statement: str, parameters: Mapping[str, Any]) -> None:
        raise AssertionError(f"{statement} needs a database")


class FakeTables:
    """What an engine's sweeper finds waiting."""

    def __init__(self) -> None:
        self.waiting: set[tuple[str, str]] = set()
        self.fault: Exception | None = None
        self.sweeps = 0

    async def __call__(self) -> Iterable[tuple[str, str]]:
        self.sweeps += 1
        if self.fault is not None:
            raise self.fault
        return sorted(self.waiting)


class ShortClassifier:
    """Breaks the port's promise: it gives fewer predictions than there are texts."""

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        return [FakeClassifier.prediction(text) for text in texts[1:]]


def by_name(*adapters: FakeAdapter) -> Mapping[str, FakeAdapter]:
    return {adapter.name: adapter for adapter in adapters}
