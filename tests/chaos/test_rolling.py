"""Two processes on one PostgreSQL where one may poll Telegram: one dies, or both are replaced, while customers go on writing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.storage import migrate, tables
from tests.chaos.processes import end, start
from tests.chaos.test_telegram_kill import Bot, talk
from tests.conftest import PostgresServer, TestDatabase, a_schema
from tests.integration.desk import until
from tests.loopback.telegram import LoopbackTelegram

CHATS = range(1, 4)
A_WHILE = 60.0


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    database = a_schema(postgres)
    await migrate.upgrade(database.open())
    yield database
    await database.close()


@dataclass
class Customers:
    """Write to Telegram, and count what they read there."""

    server: LoopbackTelegram
    written: Counter[int] = field(default_factory=Counter)

    async def write(self, chat: int) -> None:
        self.written[chat] += 1
        sender = {"id": chat, "is_bot": False, "first_name": "Ada"}
        message = {"date": 1700000000, "chat": {"id": chat, "type": "private"}, "from": sender, "text": "Guten Tag"}
        await self.server.push(message={"message_id": self.written[chat], **message})

    @property
    def read(self) -> Counter[int]:
        return Counter(chat for chat, _ in self.server.sent)

    async def answered(self) -> None:
        """Wait until everybody has at least as many answers as they have written messages."""
        await until(lambda: not self.written - self.read, within=A_WHILE)

    async def write_and_wait(self, times: int) -> None:
        for _ in range(times):
            for chat in CHATS:
                await self.write(chat)
            await self.answered()


@asynccontextmanager
async def telegram() -> AsyncIterator[tuple[LoopbackTelegram, Customers]]:
    async with LoopbackTelegram(chats=set(CHATS)).serve() as server:
        yield server, Customers(server)


class Fleet:
    """Starts processes that share the work, each in a folder of its own, and ends those that a test has left."""

    def __init__(self, folder: Path, database: TestDatabase, server: LoopbackTelegram) -> None:
        self._folder, self._database, self._server = folder, database, server
        self._running: list[Any] = []

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in list(self._running):
            await self.kill(process)

    async def start(self) -> Any:
        """Returns once the process is up; whether it polls is another matter."""
        folder = self._folder / f"process{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        process = start(talk, Bot(folder, self._database.url, self._server.url, self._server.token, port=0))
        self._running.append(process)
        await until((folder / "heartbeat").exists, within=A_WHILE)
        return process

    async def kill(self, process: Any) -> None:
        self._running.remove(process)
        os.kill(process.pid, signal.SIGKILL)
        assert await end(process) == -signal.SIGKILL

    async def stop(self, process: Any) -> None:
        """As an orchestrator does it: SIGTERM, and the process ends well by itself."""
        self._running.remove(process)
        os.kill(process.pid, signal.SIGTERM)
        assert await end(process, within=25) == 0


@dataclass(frozen=True)
class Record:
    """What the tables say when it is all over."""

    order: dict[int, list[int]]  # by chat, the messages as they were accepted
    handled: Counter[int]  # how often each accepted message was part of a turn
    inbox: Counter[str]
    outbox: Counter[str]
    uncertain: int


async def _recorded(database: TestDatabase) -> Record:
    inbox, outbox, events = tables.inbox.c, tables.outbox.c, tables.event.c
    opened = database.open()
    async with opened.reading() as connection:
        order: dict[int, list[int]] = {}
        accepted = select(tables.conversation.c.chat_id, inbox.message).join(tables.conversation).order_by(inbox.seq)
        for chat, message in await connection.execute(accepted):
            order.setdefault(int(chat), []).append(int(message["message_id"]))
        turns = (await connection.execute(select(events.data).where(events.kind == "turn"))).scalars()
        record = Record(
            order,
            Counter(number for turn in turns for number in turn["messages"]),
            Counter((await connection.execute(select(inbox.state))).scalars()),
            Counter((await connection.execute(select(outbox.state))).scalars()),
            sum((await connection.execute(select(outbox.uncertain))).scalars()),
        )
    await opened.close()
    return record


async def test_when_the_process_that_polls_is_killed_the_other_one_goes_on(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with telegram() as (server, customers), Fleet(tmp_path, database, server) as fleet:
        leader = await fleet.start()
        await customers.write_and_wait(1)
        await fleet.start()
        await customers.write_and_wait(1)
        for chat in CHATS:
            await customers.write(chat)
        await fleet.kill(leader)
        await customers.write_and_wait(2)
        await until(lambda: not server.waiting)
    record = await _recorded(database)
    assert record.inbox == Counter(handled=customers.written.total())
    assert set(record.handled.values()) == {1}
    assert server.polls_at_once == 1
    doubles = customers.read - customers.written
    assert doubles.total() <= record.uncertain, "a copy more only where nobody knows whether the first one arrived"


async def test_while_all_processes_are_replaced_one_after_the_other_nobody_notices(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with telegram() as (server, customers), Fleet(tmp_path, database, server) as fleet:
        old = [await fleet.start(), await fleet.start()]
        writing = asyncio.create_task(customers.write_and_wait(1000))
        for process in old:
            await asyncio.sleep(1)
            await fleet.start()
            await fleet.stop(process)
        await asyncio.sleep(1)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await customers.answered()
        await asyncio.sleep(0.5)  # for an answer too many, which there must not be
        assert customers.written.total() > 3 * len(CHATS), "too few for this to prove anything"
        assert customers.read == customers.written
        await until(lambda: not server.waiting)
    record = await _recorded(database)
    assert (record.inbox, record.uncertain) == (Counter(handled=customers.written.total()), 0)
    assert set(record.handled.values()) == {1}
    assert server.polls_at_once == 1


async def test_what_customers_write_faster_than_it_is_answered_stays_in_order_while_processes_are_replaced(
    database: TestDatabase, tmp_path: Path
) -> None:
    """Several messages may have one answer here."""

    async def write_on() -> None:
        while True:
            for chat in CHATS:
                await customers.write(chat)
            await asyncio.sleep(0.5)

    async with telegram() as (server, customers), Fleet(tmp_path, database, server) as fleet:
        old = [await fleet.start(), await fleet.start()]
        writing = asyncio.create_task(write_on())
        for process in old:
            await fleet.start()
            await fleet.stop(process)
        writing.cancel()
        await until(lambda: not server.waiting, within=A_WHILE)
        total = customers.written.total()
        async with asyncio.timeout(A_WHILE):
            while (record := await _recorded(database)).inbox != Counter(handled=total) or set(record.outbox) != {
                "sent"
            }:
                await asyncio.sleep(0.2)
        assert customers.read.total() == record.outbox["sent"], "each reply has arrived once"
    assert record.order == {chat: list(range(1, count + 1)) for chat, count in customers.written.items()}
    assert (set(record.handled.values()), record.uncertain) == ({1}, 0)
    assert server.polls_at_once == 1
