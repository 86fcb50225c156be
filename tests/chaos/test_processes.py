"""Several processes on one PostgreSQL: they share the work, and when one dies or stands still the others go on within seconds."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.storage import migrate, tables
from tests.chaos import harness
from tests.chaos.harness import Life
from tests.chaos.processes import end, live, start
from tests.conftest import PostgresServer, TestDatabase, a_schema
from tests.integration.desk import until

A_MINUTE = 60.0


@pytest.fixture
async def database(postgres: PostgresServer) -> TestDatabase:
    database = a_schema(postgres)
    await migrate.upgrade(database.open())
    await database.close()
    return database


async def _found(database: TestDatabase) -> tuple[Counter[str], Counter[str], int]:
    """States of the inbox, states of the outbox, and how many sends nobody knows the outcome of."""
    opened = database.open()
    async with opened.reading() as connection:
        inbox = Counter((await connection.execute(select(tables.inbox.c.state))).scalars())
        outbox = Counter((await connection.execute(select(tables.outbox.c.state))).scalars())
        uncertain = sum((await connection.execute(select(tables.outbox.c.uncertain))).scalars())
    await database.close()
    return inbox, outbox, uncertain


async def test_two_processes_share_the_work_and_each_reply_leaves_once(database: TestDatabase, tmp_path: Path) -> None:
    messages = harness.some_messages(60)
    lives = [Life(tmp_path, database.url, messages[n::2], within=A_MINUTE) for n in range(2)]
    assert await asyncio.gather(*(live(life) for life in lives)) == [0, 0]
    inbox, outbox, uncertain = await _found(database)
    assert (inbox, set(outbox), uncertain) == (Counter(handled=60), {"sent"}, 0)
    assert len(harness.lines(lives[0].delivered)) == outbox["sent"]


async def test_what_a_process_was_doing_when_it_stood_still_another_does(
    database: TestDatabase, tmp_path: Path
) -> None:
    """And when it comes back, its commit is refused, and it does not take away what is another's by now."""
    life = Life(tmp_path, database.url, harness.some_messages(1), pauses="classifying", within=A_MINUTE)
    paused = start(harness.live, life)
    await until(life.paused.exists, within=30)
    assert await live(replace(life, pauses="never")) == 0
    assert len(harness.lines(life.delivered)) == 1
    os.kill(paused.pid, signal.SIGCONT)
    assert await end(paused) == 0
    assert await _found(database) == (Counter(handled=1), Counter(sent=1), 0)
    assert len(harness.lines(life.delivered)) == 1


async def test_while_processes_are_killed_at_random_the_others_lose_nothing(
    database: TestDatabase, tmp_path: Path
) -> None:
    chance = random.Random(20260303)
    messages = harness.some_messages(60)
    lives = [Life(tmp_path, database.url, messages[n::2], within=A_MINUTE) for n in range(2)]
    killed = 0
    for _ in range(4):
        codes = await asyncio.gather(*(live(replace(life, dies_after=harness.a_short_life(chance))) for life in lives))
        killed += codes.count(-signal.SIGKILL)
    assert killed >= 3, "lives were too long for this to prove anything"
    assert await asyncio.gather(*(live(life) for life in lives)) == [0, 0]
    inbox, outbox, uncertain = await _found(database)
    assert inbox == Counter(handled=60)
    assert set(outbox) <= {"sent", "uncertain"}
    assert sorted(harness.lines(lives[0].acknowledged)) == sorted(message.message_id for message in messages)
    assert outbox["sent"] <= len(harness.lines(lives[0].delivered)) <= outbox.total() + uncertain
