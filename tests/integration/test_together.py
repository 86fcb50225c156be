"""On SQLite those who want to write at the same time share a commit; each of them is kept or undone for itself, and knows which."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, text

from bot.errors import DatabaseError
from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.sqlite import TOGETHER
from bot.storage.store import Store
from tests.fakes import START, a_message


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'firstline.db'}")
    await migrate.upgrade(database)
    yield database
    await database.close()


async def _accept(store: Store, name: str) -> None:
    async with store.transaction() as session:
        await session.inbox.accept(a_message(chat=name, message_id=name), START)


async def _stored(database: Database) -> set[str]:
    async with database.reading() as connection:
        return set((await connection.execute(text("SELECT chat_id FROM conversation"))).scalars())


class _RefusedError(Exception):
    """Somebody thinks better of it."""


async def test_those_who_wait_share_commits(database: Database) -> None:
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)
    store, names = Store(database), {f"c{n}" for n in range(2 * TOGETHER)}
    await asyncio.gather(*(_accept(store, name) for name in names))
    assert await _stored(database) == names
    assert len(commits) == 2


@pytest.mark.parametrize("place", [0, 1, 3])
async def test_one_that_fails_is_undone_and_nobody_else(database: Database, place: int) -> None:
    store = Store(database)

    async def think_better(name: str) -> None:
        async with store.transaction() as session:
            await session.inbox.accept(a_message(chat=name, message_id=name), START)
            raise _RefusedError

    work = [_accept(store, f"c{n}") for n in range(3)]
    work.insert(place, think_better("x"))
    results = await asyncio.gather(*work, return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [_RefusedError]
    assert await _stored(database) == {"c0", "c1", "c2"}


async def test_if_the_shared_commit_fails_nobody_believes_that_it_is_kept(database: Database) -> None:
    store = Store(database)

    async def break_the_commit() -> None:
        async with store.transaction() as session:
            await session.connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            await session.connection.execute(
                text("INSERT INTO timer (key, kind, conversation_id, due_at) VALUES ('k', 'k', 'nobody', '2026-01-01')")
            )

    results = await asyncio.gather(
        _accept(store, "c0"), break_the_commit(), _accept(store, "c1"), return_exceptions=True
    )
    assert [type(result) for result in results] == [DatabaseError] * 3
    assert await _stored(database) == set()
    await _accept(store, "c2")
    assert await _stored(database) == {"c2"}


async def test_what_becomes_of_each_is_what_each_is_told(database: Database) -> None:
    """Whoever returns is stored, whoever fails is not; of those who were cancelled nobody knows, and they hold nobody up."""
    store, chance = Store(database), random.Random(1)

    async def perhaps(name: str) -> None:
        async with store.transaction() as session:
            await session.inbox.accept(a_message(chat=name, message_id=name), START)
            if chance.random() < 0.3:
                await asyncio.sleep(0)
            if chance.random() < 0.3:
                raise _RefusedError

    kept: set[str] = set()
    undone: set[str] = set()
    for turn in range(20):
        tasks = {f"{turn}-{n}": asyncio.create_task(perhaps(f"{turn}-{n}")) for n in range(20)}
        for task in tasks.values():
            if chance.random() < 0.2:
                asyncio.get_running_loop().call_later(chance.uniform(0, 0.01), task.cancel)
        async with asyncio.timeout(30):
            await asyncio.wait(tasks.values())
        for name, task in tasks.items():
            if not task.cancelled():
                (kept if task.exception() is None else undone).add(name)
    stored = await _stored(database)
    assert kept <= stored
    assert not stored & undone
    assert kept
    assert undone


async def test_a_commit_does_not_wait_for_whoever_keeps_all_the_threads_that_are_shared(database: Database) -> None:
    """Mail servers that do not answer hold as many of them as there are."""
    release = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2))
    busy = [loop.run_in_executor(None, release.wait) for _ in range(4)]
    try:
        async with asyncio.timeout(5):
            await _accept(Store(database), "c1")
    finally:
        release.set()
        await asyncio.gather(*busy)
    assert await _stored(database) == {"c1"}
