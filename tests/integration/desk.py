"""The durable core joined by hand around one database, so that tests decide when each part takes its turn."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import select

from bot.catalogue.catalogue import Catalogue
from bot.delivery import Delivery
from bot.desk.handle import Worker
from bot.desk.lanes import DELIVER, HANDLE, waiting
from bot.desk.letters import Letters
from bot.desk.receive import Receiver
from bot.desk.understand import Understanding
from bot.knowledge import Knowledge
from bot.model import Author, ChatRef, Conversation, InboundMessage, Mode, Part, Ticket
from bot.storage import tables
from bot.storage.events import Event
from bot.storage.outbox import Draft, Letter
from bot.storage.store import Store
from tests.fakes import FakeAdapter, FakeClassifier, FakeClock, WakeLog, by_name

BURST = timedelta(seconds=1)


@dataclass(frozen=True)
class InboxRow:
    """What stands in the inbox, whatever became of it."""

    id: int
    conversation_id: str
    seq: int
    text: str
    state: str
    attempts: int


@dataclass
class Desk:
    """``knowledge`` may be replaced, as a reload does."""

    store: Store
    adapter: FakeAdapter
    classifier: FakeClassifier
    clock: FakeClock
    engine: WakeLog
    receive: Receiver
    work: Worker
    deliver: Delivery
    knowledge: Knowledge

    @property
    def dead(self) -> Letters:
        """What people can do about what went wrong for good; the platforms here cannot be asked."""
        return Letters(self.store, self.clock, lambda adapter: False)

    async def handle_all(self) -> None:
        """Let the worker go on until it is done, moving the clock over every pause that it asks for."""
        for _ in range(100):
            lanes = [lane for kind, lane in await waiting(self.store, self.clock()) if kind == HANDLE]
            if not lanes:
                return
            for lane in lanes:
                while (delay := await self.work(lane)) is not None:
                    self.clock.advance(delay)
        raise AssertionError("the worker never comes to an end")

    async def deliver_all(self) -> None:
        """The same for what is to be sent."""
        for _ in range(100):
            lanes = [lane for kind, lane in await waiting(self.store, self.clock()) if kind == DELIVER]
            if not lanes:
                return
            for lane in lanes:
                while (delay := await self.deliver(lane)) is not None:
                    self.clock.advance(delay)
        raise AssertionError("the delivery never comes to an end")

    async def conversation_of(self, message: InboundMessage) -> str:
        """Accept a message and tell its conversation."""
        await self.receive(message)
        return next(row.conversation_id for row in await self.inbox() if row.text == message.text)

    async def conversation(self, conversation_id: str) -> Conversation:
        async with self.store.snapshot() as session:
            return await session.conversations.get(conversation_id)

    async def set_mode(self, conversation_id: str, mode: Mode) -> None:
        """As a person does who takes the conversation over, or hands it back."""
        async with self.store.transaction() as session:
            conversation = await session.conversations.get(conversation_id, lock=True)
            await session.conversations.save(replace(conversation, mode=mode, owner="mira"), self.clock())

    async def inbox(self) -> list[InboxRow]:
        async with self.store.snapshot() as session:
            rows = await session.connection.execute(select(tables.inbox).order_by(tables.inbox.c.id))
            return [
                InboxRow(row.id, row.conversation_id, row.seq, row.message["text"], row.state, row.attempts)
                for row in rows
            ]

    async def letters(self, *states: str) -> list[Letter]:
        every = ("pending", "sending", "sent", "dropped", "dead", "uncertain")
        async with self.store.snapshot() as session:
            return list(await session.outbox.in_state(*(states or every)))

    async def uncertain_sends(self) -> int:
        async with self.store.snapshot() as session:
            return await session.outbox.uncertain_sends()

    async def tickets(self) -> list[Ticket]:
        async with self.store.snapshot() as session:
            return list(await session.tickets.all())

    async def events(self, conversation_id: str) -> list[Event]:
        async with self.store.snapshot() as session:
            return list(await session.events.of_conversation(conversation_id))

    async def post(self, *texts: str, chat: str = "c1", thread: str | None = None, author: Author = Author.BOT) -> str:
        """Put texts into the outbox, one letter each; the conversation's id."""
        place = ChatRef(self.adapter.name, chat, thread)
        async with self.store.transaction() as session:
            conversation_id, seq = await session.conversations.next_seq(place, self.clock())
            await session.outbox.add(
                tuple(
                    Draft(
                        f"{conversation_id}:{seq}:{n}",
                        conversation_id,
                        author,
                        Part(place, {"text": text, "buttons": []}),
                        text,
                        f"{conversation_id}",
                    )
                    for n, text in enumerate(texts)
                ),
                self.clock(),
            )
        return conversation_id


@asynccontextmanager
async def a_desk(
    store: Store,
    catalogue: Catalogue,
    *,
    adapter: FakeAdapter | None = None,
    classifier: FakeClassifier | None = None,
    clock: FakeClock | None = None,
    others: Sequence[FakeAdapter] = (),
) -> AsyncIterator[Desk]:
    """A desk whose engine wakes nothing: the test calls the parts itself. ``others`` are run beside its own adapter."""
    adapter, classifier, clock = adapter or FakeAdapter(), classifier or FakeClassifier(), clock or FakeClock()
    engine, adapters = WakeLog(), by_name(adapter, *others)
    async with _understanding() as understanding:
        desk = Desk(
            store=store,
            adapter=adapter,
            classifier=classifier,
            clock=clock,
            engine=engine,
            receive=Receiver(store, engine, clock, burst=BURST, adapters=adapters),
            work=Worker(
                store=store,
                engine=engine,
                adapters=adapters,
                understanding=understanding,
                knowledge=lambda: desk.knowledge,
                clock=clock,
                burst=BURST,
                default_language="de",
            ),
            deliver=Delivery(store, adapters, clock, random.Random(1)),
            knowledge=Knowledge(catalogue, classifier),
        )
        yield desk


async def until(true: Callable[[], bool], *, within: float = 10) -> None:
    """Wait until something has come true; fail loudly if it does not."""
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.005)


async def busy_for(seconds: float) -> None:
    """Let others run for a time that is shorter than timers are exact."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        await asyncio.sleep(0)


@asynccontextmanager
async def _understanding() -> AsyncIterator[Understanding]:
    understanding = Understanding()
    task = asyncio.create_task(understanding.run())
    try:
        yield understanding
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
