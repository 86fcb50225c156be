"""Transactions: whole or not at all, fenced by versions, and honest when the database cannot be used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.bootstrap import build
from bot.config import Settings
from bot.desk.receive import Receiver
from bot.errors import ConflictError, DatabaseError, SettingsError
from bot.model import Author, Category, ChatRef, Mode, Part, Pending, Priority, TicketState
from bot.storage import migrate
from bot.storage.connection import Connection
from bot.storage.database import Database
from bot.storage.outbox import Draft
from bot.storage.store import Store
from bot.storage.tickets import NewTicket
from tests.conftest import PostgresServer, TestDatabase
from tests.fakes import START, FakeAdapter, FakeClassifier, FakeClock, WakeLog, a_message
from tests.integration.desk import Desk, busy_for, until


async def test_what_the_bot_remembers_of_a_conversation_comes_back_as_it_was(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message())
    before = await desk.conversation(conversation_id)
    changed = replace(
        before,
        mode=Mode.WAITING,
        owner="mira",
        ticket=7,
        misses=2,
        pending=Pending("topic", START, ("topic:a", "topic:b"), {"text": "ä\x00😀", "asked": "1"}),
        topic="password_reset",
        language="en",
        greeted=True,
        last_text="zuletzt\x00",
    )
    async with desk.store.transaction() as session:
        await session.conversations.save(changed, START)
    after = await desk.conversation(conversation_id)
    assert changed.pending is not None
    pending = replace(changed.pending, data={"text": "ä␀😀", "asked": "1"})
    assert after == replace(changed, version=1, last_text="zuletzt␀", pending=pending)


async def test_of_two_who_changed_the_same_conversation_the_slower_is_told(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message())
    read = await desk.conversation(conversation_id)
    async with desk.store.transaction() as session:
        await session.conversations.save(replace(read, topic="first"), START)
    with pytest.raises(ConflictError, match="read it again"):
        async with desk.store.transaction() as session:
            await session.conversations.save(replace(read, topic="second"), START)
    assert (await desk.conversation(conversation_id)).topic == "first"


async def test_of_two_who_changed_the_same_ticket_the_slower_is_told(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message())
    new = NewTicket("k", conversation_id, "error", Category.ERROR_REPORT, None, Priority.NORMAL, "Betreff", {})
    async with desk.store.transaction() as session:
        ticket = await session.tickets.open(new, START)
        await session.tickets.save(replace(ticket, state=TicketState.TAKEN, assignee="mira"))
    with pytest.raises(ConflictError):
        async with desk.store.transaction() as session:
            await session.tickets.save(replace(ticket, assignee="jan"))
    assert [(t.assignee, t.state, t.version, t.key) for t in await desk.tickets()] == [
        ("mira", TicketState.TAKEN, 1, "HD-000001")
    ]


async def test_the_number_of_a_ticket_that_was_rolled_back_never_shows_up(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message())
    new = NewTicket("k", conversation_id, "error", None, None, Priority.NORMAL, "Betreff", {})
    with pytest.raises(ZeroDivisionError):
        async with desk.store.transaction() as session:
            await session.tickets.open(new, START)
            raise ZeroDivisionError
    assert await desk.tickets() == []


async def test_the_same_ticket_or_letter_cannot_be_written_twice(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message())
    new = NewTicket("k", conversation_id, "error", None, None, Priority.NORMAL, "Betreff", {})
    draft = Draft("k", conversation_id, Author.BOT, Part(ChatRef("fake", "c1"), {"text": "x"}), "x", "c")
    async with desk.store.transaction() as session:
        await session.tickets.open(new, START)
        await session.outbox.add((draft,), START)
    with pytest.raises(DatabaseError):
        async with desk.store.transaction() as session:
            await session.tickets.open(new, START)
    with pytest.raises(DatabaseError):
        async with desk.store.transaction() as session:
            await session.outbox.add((draft,), START)
    assert (len(await desk.tickets()), len(await desk.letters())) == (1, 1)


async def test_nobody_is_woken_for_what_was_rolled_back(store: Store) -> None:
    engine = WakeLog()
    with pytest.raises(ZeroDivisionError):
        async with store.transaction() as session:
            await engine.wake(session, "handle", "c1")
            raise ZeroDivisionError
    assert engine.woken == []


async def test_a_transaction_that_is_cancelled_midway_is_undone_and_holds_nobody_up(store: Store) -> None:
    """A console page that is closed, a worker that is stopped: work on the database may be cancelled at any point.

    The exception is kept here as loggers and tasks keep it, and with it everything that its traceback reaches.
    """
    before = 0
    for tenths in range(60):

        async def write() -> None:
            async with store.transaction() as session:
                await session.inbox.accept(a_message(chat="midway"), START)

        task = asyncio.create_task(write())
        await busy_for(tenths / 10_000)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # and once more, as impatient people do
        (cut_off,) = await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(3), store.transaction() as session:
            await session.inbox.accept(a_message(chat="after"), START)
            after = await session.inbox.count("new")
        # Cut off while committing, it may be stored or not; done, it must be.
        assert after in ((before + 2,) if cut_off is None else (before + 1, before + 2)), f"after {tenths / 10} ms"
        before = after


async def test_whoever_only_looks_does_not_wait_for_whoever_writes(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message())
    async with desk.store.transaction() as session:
        conversation = await session.conversations.get(conversation_id, lock=True)
        await session.conversations.save(replace(conversation, topic="new"), START)
        async with asyncio.timeout(2):
            assert (await desk.conversation(conversation_id)).topic is None
    assert (await desk.conversation(conversation_id)).topic == "new"


async def test_a_conversation_that_does_not_exist_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError):
        async with store.snapshot() as session:
            await session.conversations.get("nowhere")


async def test_on_sqlite_a_commit_has_reached_the_disk(tmp_path: Path) -> None:
    database = TestDatabase(f"sqlite:///{tmp_path / 'new' / 'folder' / 'firstline.db'}")
    async with database.open().writing() as connection:
        found = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    await database.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_full_disk_refuses_messages_and_takes_them_once_there_is_room(tmp_path: Path) -> None:
    """SQLite itself limits the file here, which is the same error as that of a full disk."""
    database = Database(f"sqlite:///{tmp_path / 'firstline.db'}")
    await migrate.upgrade(database)
    store, engine = Store(database), WakeLog()
    receive, message = Receiver(store, engine, FakeClock()), a_message("ä" * 200_000)
    async with store.transaction() as session:
        await session.connection.execute(text("PRAGMA max_page_count = 1"))  # no less than it has now
    with pytest.raises(DatabaseError, match="full"):
        await receive(message)
    assert engine.woken == []
    async with store.transaction() as session:
        assert await session.inbox.count("new") == 0
        await session.connection.execute(text("PRAGMA max_page_count = 100000"))
    await receive(message)
    assert len(engine.woken) == 1
    await store.close()


async def test_a_folder_in_the_place_of_the_file_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "firstline.db").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'firstline.db'}")
    with pytest.raises(DatabaseError, match="unable to open database file"):
        await Store(database).ping()
    await database.close()


def test_a_time_to_wait_that_is_no_number_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="timeout"):
        Database(f"sqlite:///{tmp_path / 'firstline.db'}?timeout=bald")


async def test_a_file_that_is_no_database_is_a_sentence_and_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "firstline.db").write_text("Guten Tag. " * 1000)
    database = Database(f"sqlite:///{tmp_path / 'firstline.db'}")
    for _ in range(2):
        with pytest.raises(DatabaseError, match="file is not a database"):
            await Store(database).ping()
    await database.close()


# --- PostgreSQL goes away ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fragile() -> Iterator[PostgresServer]:
    """A server of these tests' own, to be crashed."""
    server = PostgresServer()
    yield server
    server.close()


async def test_when_postgresql_crashes_nothing_is_acknowledged_and_afterwards_everything_is_answered(
    fragile: PostgresServer, tmp_path: Path
) -> None:
    fragile.execute("CREATE SCHEMA running")
    database = TestDatabase(fragile.url("running"))
    await migrate.upgrade(database.open())
    await database.close()
    adapter, settings = FakeAdapter(), Settings(data=tmp_path, database_url=database.url, burst_seconds=0)
    async with build(settings, adapters=[adapter], classifier=FakeClassifier()) as app:
        async with app.working():
            await app.receiver(a_message("vorher"))
            await until(lambda: len(adapter.sent) == 1)
            await app.engine.settled()

            fragile.crash()
            lost = a_message("während")
            for _ in range(3):
                with pytest.raises(DatabaseError):
                    async with asyncio.timeout(5):
                        await app.receiver(lost)
            with pytest.raises(DatabaseError):
                await app.store.ping()
            await asyncio.sleep(0.2)
            assert len(adapter.sent) == 1

            fragile.start()
            async with asyncio.timeout(10):
                await app.receiver(lost)
            await until(lambda: len(adapter.sent) == 2)
            await app.engine.settled()
        async with app.store.snapshot() as session:
            assert await session.inbox.count("handled") == 2
            assert await session.outbox.uncertain_sends() == 0


@pytest.mark.parametrize("end", ["crash", "cut"])
async def test_connections_that_end_while_nobody_uses_them_are_replaced_and_nobody_hears_of_it(
    fragile: PostgresServer, end: str
) -> None:
    database = Database(fragile.url())

    async def used(use: Callable[[], AbstractAsyncContextManager[Connection]]) -> set[int]:
        async def one() -> int:
            async with use() as connection:
                found = (await connection.execute(text("SELECT pg_backend_pid() FROM pg_sleep(0.05)"))).scalar_one()
                assert isinstance(found, int)
                return found

        return set(await asyncio.gather(*(one() for _ in range(12))))

    uses = (database.reading, database.writing)
    before = [await used(use) for use in uses]
    if end == "crash":
        fragile.crash()
        fragile.start()
    else:
        fragile.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    for use, pids in zip(uses, before, strict=True):
        after = await used(use)
        assert len(pids) == len(after) > 1
        assert not pids & after
    await database.close()


async def test_a_crash_of_postgresql_in_the_middle_of_a_transaction_undoes_it(fragile: PostgresServer) -> None:
    fragile.execute("CREATE SCHEMA midway")
    database = TestDatabase(fragile.url("midway"))
    await migrate.upgrade(database.open())
    store = database.store()
    with pytest.raises(DatabaseError):
        async with store.transaction() as session:
            await session.inbox.accept(a_message(), START)
            fragile.crash()
    fragile.start()
    async with store.snapshot() as session:
        assert await session.inbox.count("new") == 0
    await database.close()
