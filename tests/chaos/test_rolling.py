"""Two processes on one PostgreSQL: one dies, or both are replaced one after the other, while customers go on writing."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.storage import migrate, tables
from tests.chaos.processes import end, start
from tests.chaos.test_kill_slack import live
from tests.chaos.test_telegram_kill import Bot, talk
from tests.conftest import PostgresServer, TestDatabase, a_schema
from tests.integration.desk import until
from tests.loopback.slack import TEAM, LoopbackSlack
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
    """Write to the platform, and count what they read there."""

    written: Counter[int] = field(default_factory=Counter)

    async def write(self, chat: int) -> None:
        self.written[chat] += 1
        await self._write(chat, self.written[chat])

    async def _write(self, chat: int, number: int) -> None:
        raise NotImplementedError

    @property
    def read(self) -> Counter[int]:
        raise NotImplementedError

    async def answered(self) -> None:
        """Wait until everybody has at least as many answers as they have written messages."""
        await until(lambda: not self.written - self.read, within=A_WHILE)

    async def all_write(self) -> None:
        for chat in CHATS:
            await self.write(chat)

    async def write_and_wait(self, times: int) -> None:
        for _ in range(times):
            await self.all_write()
            await self.answered()

    @asynccontextmanager
    async def going_on(self, once: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Do ``once`` again and again for the length of the block, and to its end."""
        enough = asyncio.Event()

        async def again_and_again() -> None:
            while not enough.is_set():
                await once()

        task = asyncio.create_task(again_and_again())
        try:
            yield
        finally:
            enough.set()
            await task


@dataclass
class OnTelegram(Customers):
    server: LoopbackTelegram = field(default_factory=lambda: LoopbackTelegram(chats=set(CHATS)))

    async def _write(self, chat: int, number: int) -> None:
        sender = {"id": chat, "is_bot": False, "first_name": "Ada"}
        message = {"date": 1700000000, "chat": {"id": chat, "type": "private"}, "from": sender, "text": "Guten Tag"}
        await self.server.push(message={"message_id": number, **message})

    @property
    def read(self) -> Counter[int]:
        return Counter(chat for chat, _ in self.server.sent)


@dataclass
class OnSlack(Customers):
    server: LoopbackSlack = field(
        default_factory=lambda: LoopbackSlack(
            channels={f"D{chat}" for chat in CHATS}, ack_within=1, attempts=60, pick=random.Random(1).choice
        )
    )

    async def _write(self, chat: int, number: int) -> None:
        where = {"channel": f"D{chat}", "channel_type": "im", "user": f"U{chat}", "team": TEAM}
        event = {"type": "message", "text": "Guten Tag", "ts": f"1700000000.{number:06d}", **where}
        name = f"Ev{chat}-{number}"
        self.server.push({"type": "event_callback", "event_id": name, "team_id": TEAM, "event": event}, name=name)

    @property
    def read(self) -> Counter[int]:
        return Counter(int(channel.removeprefix("D")) for channel, _ in self.server.sent)


class Fleet:
    """Starts processes that share the work, each in a folder of its own, and ends those that a test has left."""

    def __init__(self, folder: Path, launch: Callable[[Path], Any]) -> None:
        self._folder, self._launch = folder, launch
        self._running: list[Any] = []

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in list(self._running):
            await self.kill(process)

    async def start(self) -> Any:
        """Returns once the process is up; whether messages are taken from its platform is another matter."""
        folder = self._folder / f"process{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        process = self._launch(folder)
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


def polling(server: LoopbackTelegram, database: TestDatabase) -> Callable[[Path], Any]:
    return lambda folder: start(talk, Bot(folder, database.url, server.url, server.token, port=0))


def holding_sockets(server: LoopbackSlack, database: TestDatabase) -> Callable[[Path], Any]:
    return lambda folder: start(live, folder, server.url, 0, "socket", "never", database.url)


@dataclass(frozen=True)
class Record:
    """What the tables say when it is all over."""

    order: dict[str, list[str]]  # by chat, the messages as they were accepted
    handled: Counter[int]  # how often each accepted message was part of a turn
    inbox: Counter[str]
    outbox: Counter[str]
    uncertain: int


async def _recorded(database: TestDatabase) -> Record:
    inbox, outbox, events = tables.inbox.c, tables.outbox.c, tables.event.c
    opened = database.open()
    async with opened.reading() as connection:
        order: dict[str, list[str]] = {}
        accepted = select(tables.conversation.c.chat_id, inbox.message).join(tables.conversation).order_by(inbox.seq)
        for chat, message in await connection.execute(accepted):
            order.setdefault(chat, []).append(message["message_id"])
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
    customers = OnTelegram()
    async with customers.server.serve() as server, Fleet(tmp_path, polling(server, database)) as fleet:
        leader = await fleet.start()
        await customers.write_and_wait(1)
        await fleet.start()
        await customers.write_and_wait(1)
        await customers.all_write()
        await fleet.kill(leader)
        await customers.answered()
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
    customers = OnTelegram()
    async with customers.server.serve() as server, Fleet(tmp_path, polling(server, database)) as fleet:
        old = [await fleet.start(), await fleet.start()]
        async with customers.going_on(lambda: customers.write_and_wait(1)):
            for process in old:
                await asyncio.sleep(1)
                await fleet.start()
                await fleet.stop(process)
            await asyncio.sleep(1)
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

    async def write() -> None:
        await customers.all_write()
        await asyncio.sleep(0.5)

    customers = OnTelegram()
    async with customers.server.serve() as server, Fleet(tmp_path, polling(server, database)) as fleet:
        old = [await fleet.start(), await fleet.start()]
        async with customers.going_on(write):
            for process in old:
                await fleet.start()
                await fleet.stop(process)
        await until(lambda: not server.waiting, within=A_WHILE)
        total = customers.written.total()
        async with asyncio.timeout(A_WHILE):
            while (record := await _recorded(database)).inbox != Counter(handled=total) or set(record.outbox) != {
                "sent"
            }:
                await asyncio.sleep(0.2)
        assert customers.read.total() == record.outbox["sent"], "each reply has arrived once"
    assert record.order == {str(chat): [str(n + 1) for n in range(count)] for chat, count in customers.written.items()}
    assert (set(record.handled.values()), record.uncertain) == ({1}, 0)
    assert server.polls_at_once == 1


async def test_when_one_of_two_processes_with_a_socket_is_killed_the_other_one_gets_what_it_had_not_acknowledged(
    database: TestDatabase, tmp_path: Path
) -> None:
    customers = OnSlack()
    async with customers.server.serve() as server, Fleet(tmp_path, holding_sockets(server, database)) as fleet:
        doomed = await fleet.start()
        await fleet.start()
        await until(lambda: len(server.sockets) == 2)
        await customers.write_and_wait(2)
        await customers.all_write()
        await fleet.kill(doomed)
        await customers.answered()
        await customers.write_and_wait(2)
        await server.settle()
        assert customers.read == customers.written, "Slack can be asked what it has, so nobody reads anything twice"
    record = await _recorded(database)
    assert record.inbox == Counter(handled=customers.written.total())
    assert set(record.handled.values()) == {1}


async def test_while_processes_with_sockets_are_replaced_one_after_the_other_nobody_notices(
    database: TestDatabase, tmp_path: Path
) -> None:
    customers = OnSlack()
    async with customers.server.serve() as server, Fleet(tmp_path, holding_sockets(server, database)) as fleet:
        old = [await fleet.start(), await fleet.start()]
        await until(lambda: len(server.sockets) == 2)
        async with customers.going_on(lambda: customers.write_and_wait(1)):
            for process in old:
                await asyncio.sleep(1)
                await fleet.start()
                await until(lambda: len(server.sockets) == 3)
                await fleet.stop(process)
            await asyncio.sleep(1)
        await server.settle()
        await asyncio.sleep(0.5)  # for an answer too many, which there must not be
        assert customers.written.total() > 3 * len(CHATS), "too few for this to prove anything"
        assert customers.read == customers.written
    record = await _recorded(database)
    assert (record.inbox, record.uncertain) == (Counter(handled=customers.written.total()), 0)
    assert set(record.handled.values()) == {1}
    for chat, count in customers.written.items():
        (order,) = (found for where, found in record.order.items() if where.endswith(f"D{chat}"))
        assert order == [f"1700000000.{number + 1:06d}" for number in range(count)]
