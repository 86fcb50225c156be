"""Two processes on one PostgreSQL: one dies, or both are replaced one after the other, while customers go on writing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.storage import migrate, tables
from tests.chaos.crew import A_WHILE, CHATS, Crew, OnSlack, OnTelegram, holding_sockets, polling
from tests.conftest import PostgresServer, TestDatabase, a_schema
from tests.integration.desk import until


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    database = a_schema(postgres)
    await migrate.upgrade(database.open())
    yield database
    await database.close()


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
    async with customers.server.serve() as server, Crew(tmp_path, polling(server, database)) as crew:
        leader = await crew.start()
        await customers.write_and_wait(1)
        await crew.start()
        await customers.write_and_wait(1)
        await customers.all_write()
        await crew.kill(leader)
        await customers.answered()
        await customers.write_and_wait(2)
        await until(lambda: not server.waiting)
    record = await _recorded(database)
    assert record.inbox == Counter(handled=customers.written.total())
    assert set(record.handled.values()) == {1}
    assert server.polls_at_once == 1
    doubles = customers.read - customers.written
    assert doubles.total() <= record.uncertain, "a copy more only where nobody knows whether the first one arrived"


async def test_parts_of_the_work_in_processes_of_their_own_are_the_whole_of_it(
    database: TestDatabase, tmp_path: Path
) -> None:
    customers = OnTelegram()
    async with customers.server.serve() as server, Crew(tmp_path, polling(server, database, "intake")) as crew:
        await crew.start()
        worker = await crew.start(polling(server, database, "worker"))
        sender = await crew.start(polling(server, database, "delivery"))
        await customers.write_and_wait(1)
        assert {chat for chat, _ in server.shown} == set(CHATS), "that a reply is being worked on"
        await customers.all_write()
        await crew.kill(worker)
        await crew.stop(sender)
        await crew.start(polling(server, database, "worker,delivery"))
        await customers.answered()
        await until(lambda: not server.waiting)
    record = await _recorded(database)
    assert (record.inbox, set(record.handled.values())) == (Counter(handled=customers.written.total()), {1})
    assert (customers.read, record.uncertain) == (customers.written, 0)


async def test_while_all_processes_are_replaced_one_after_the_other_nobody_notices(
    database: TestDatabase, tmp_path: Path
) -> None:
    customers = OnTelegram()
    async with customers.server.serve() as server, Crew(tmp_path, polling(server, database)) as crew:
        old = [await crew.start(), await crew.start()]
        async with customers.going_on(lambda: customers.write_and_wait(1)):
            for process in old:
                await asyncio.sleep(1)
                await crew.start()
                await crew.stop(process)
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
    async with customers.server.serve() as server, Crew(tmp_path, polling(server, database)) as crew:
        old = [await crew.start(), await crew.start()]
        async with customers.going_on(write):
            for process in old:
                await crew.start()
                await crew.stop(process)
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
    async with customers.server.serve() as server, Crew(tmp_path, holding_sockets(server, database)) as crew:
        doomed = await crew.start()
        await crew.start()
        await until(lambda: len(server.sockets) == 2)
        await customers.write_and_wait(2)
        await customers.all_write()
        await crew.kill(doomed)
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
    async with customers.server.serve() as server, Crew(tmp_path, holding_sockets(server, database)) as crew:
        old = [await crew.start(), await crew.start()]
        await until(lambda: len(server.sockets) == 2)
        async with customers.going_on(lambda: customers.write_and_wait(1)):
            for process in old:
                await asyncio.sleep(1)
                await crew.start()
                await until(lambda: len(server.sockets) == 3)
                await crew.stop(process)
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
