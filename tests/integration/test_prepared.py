"""What is said to the driver past SQLAlchemy means the same as through it, and keeps the promises of a transaction."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, column, insert, literal, select, text, update
from sqlalchemy.exc import MultipleResultsFound, NoResultFound

from bot.errors import ConflictError, DatabaseError
from bot.storage import postgresql, tables
from bot.storage.connection import Connection
from bot.storage.database import Database
from bot.storage.prepared import Prepared
from tests.conftest import TestDatabase

_t = tables.event
EVENT = {
    "told": 0,
    "at": datetime(2026, 3, 1, 9, 30, 15, 250_001, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    "kind": "turn",
    "actor": "O'Brien % %s %(x)s :name ? $1 \\ \u2028 😀",
    "conversation_id": None,
    "ticket": 2**40,
    "correlation": "",
    "data": {"ä": [1, 2.5, None, True, {"x": "'; DROP TABLE event; --"}], "": {}},
}
ADD = Prepared(insert(_t).inline())
ALL = Prepared(select(_t).order_by(_t.c.id))
TELL = Prepared(update(_t).where(_t.c.kind == bindparam("which"), _t.c.told == literal(0)))


async def _rows(database: Database) -> list[Any]:
    async with database.reading() as connection:
        return (await connection.execute(ALL)).all()


async def _add(connection: Connection, **changed: Any) -> None:
    await connection.tell(ADD, EVENT | changed)


@pytest.mark.parametrize("written", ["prepared", "through SQLAlchemy"])
async def test_a_row_is_the_same_whichever_way_it_takes(database: TestDatabase, written: str) -> None:
    opened = database.open()
    async with opened.writing() as connection:
        await connection.execute(ADD if written == "prepared" else insert(_t), EVENT)
    async with opened.reading() as connection:
        ours = (await connection.execute(ALL)).one()
        theirs = (await connection.execute(select(_t))).one()
    assert tuple(ours) == tuple(theirs)
    for name, value in EVENT.items():
        assert getattr(ours, name) == getattr(theirs, name) == value
    assert ours.at.tzinfo is UTC


async def test_an_answer_is_read_as_that_of_sqlalchemy(database: TestDatabase) -> None:
    opened = database.open()
    async with opened.writing() as connection:
        none = await connection.execute(ALL)
        assert (list(none), none.first(), none.one_or_none(), [*none.scalars()]) == ([], None, None, [])
        with pytest.raises(NoResultFound):
            none.one()
        for _ in range(2):
            await _add(connection)
        two = await connection.execute(ALL)
        assert [row.id for row in two] == [*two.scalars()] == [row.id for row in two.all()]
        assert two.first() == two.all()[0]
        with pytest.raises(MultipleResultsFound):
            two.one_or_none()
        assert (await connection.execute(TELL, {"which": "turn", "told": 1})).rowcount == 2
        assert (await connection.execute(TELL, {"which": "turn", "told": 1})).rowcount == 0


async def test_what_is_told_happens_in_its_order_and_is_seen_by_what_is_asked_after_it(database: TestDatabase) -> None:
    opened = database.open()
    async with opened.writing() as connection:
        await _add(connection, kind="a")
        await connection.tell(TELL, {"which": "a", "kind": "b"}, rows=1)
        await _add(connection, kind="a")
        prepared, counted = await connection.ask((ALL, {}), (Prepared(select(_t.c.kind).order_by(_t.c.id)), {}))
        assert [row.kind for row in prepared] == [*counted.scalars()] == ["b", "a"]
        await _add(connection, kind="c")
        assert (await connection.execute(text("SELECT count(*) FROM event"))).scalar_one() == 3
        await _add(connection, kind="d")
    assert [row.kind for row in await _rows(opened)] == ["b", "a", "c", "d"]


@pytest.mark.parametrize("asks", [True, False], ids=["something is asked after it", "nothing is asked after it"])
async def test_whoever_was_to_write_one_row_and_has_not_keeps_nothing(database: TestDatabase, asks: bool) -> None:
    opened = database.open()
    with pytest.raises(ConflictError):
        async with opened.writing() as connection:
            await _add(connection)
            await connection.tell(TELL, {"which": "another kind", "told": 1}, rows=1)
            await _add(connection)
            if asks:
                await connection.execute(ALL)
    with pytest.raises(ConflictError):
        async with opened.writing() as connection:
            for _ in range(2):
                await _add(connection)
            await connection.tell(TELL, {"which": "turn", "told": 1}, rows=1)
    assert await _rows(opened) == []
    async with opened.writing() as connection:  # and the connection can be used
        await _add(connection)
        await connection.tell(TELL, {"which": "turn", "told": 1}, rows=1)
    assert [row.told for row in await _rows(opened)] == [1]


@pytest.mark.parametrize("change", [{"kind": None}, {"id": 1}], ids=["a column that must be", "a key that is there"])
async def test_what_is_told_and_refused_is_an_error_and_nothing_is_kept(
    database: TestDatabase, change: dict[str, Any]
) -> None:
    opened = database.open()
    async with opened.writing() as connection:
        await _add(connection, id=1)
    with pytest.raises(DatabaseError, match="refused"):
        async with opened.writing() as connection:
            await _add(connection)
            await _add(connection, **change)
    assert [row.id for row in await _rows(opened)] == [1]


async def test_a_value_that_cannot_be_stored_is_an_error_of_the_database(database: TestDatabase) -> None:
    opened = database.open()
    with pytest.raises(DatabaseError, match="naive"):
        async with opened.writing() as connection:
            await _add(connection, at=datetime(2026, 3, 1))  # noqa: DTZ001 - that is what is wrong with it
    assert await _rows(opened) == []


async def test_what_is_told_where_nothing_is_committed_happens_all_the_same(database: TestDatabase) -> None:
    if database.is_sqlite:
        return  # whoever looks has a transaction there, which is undone
    opened = database.open()
    async with opened.reading() as connection:
        await _add(connection)
    assert len(await _rows(opened)) == 1


async def test_what_fails_within_is_undone_alone(database: TestDatabase) -> None:
    opened = database.open()
    async with opened.writing() as connection:
        await _add(connection, kind="before")
        with suppress(ZeroDivisionError):
            async with connection.begin_nested():
                await _add(connection, kind="within")
                raise ZeroDivisionError
        with suppress(opened.dialect.loaded_dbapi.Error):
            async with connection.begin_nested():
                await _add(connection, kind="within and refused")
                await _add(connection, kind=None)
        async with connection.begin_nested():
            await _add(connection, kind="within, too")
        await _add(connection, kind="after")
    assert [row.kind for row in await _rows(opened)] == ["before", "within, too", "after"]


async def test_nobody_believes_in_a_commit_that_kept_nothing(database: TestDatabase) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK where a statement has failed; SQLite keeps the others."""
    opened = database.open()
    wrong = Prepared(text("INSERT INTO event (id) VALUES (1)"))
    if database.is_sqlite:
        async with opened.writing() as connection:
            await _add(connection)
            with pytest.raises(opened.dialect.loaded_dbapi.Error):
                await connection.execute(wrong)
        assert len(await _rows(opened)) == 1
        return
    with pytest.raises(DatabaseError, match="undone"):
        async with opened.writing() as connection:
            await _add(connection)
            with pytest.raises(opened.dialect.loaded_dbapi.Error):
                await connection.execute(wrong)
    assert await _rows(opened) == []


async def test_what_is_asked_last_is_kept_with_its_answer_or_not_at_all(database: TestDatabase) -> None:
    opened = database.open()
    async with opened.writing() as connection:
        await _add(connection)
        (found,) = await connection.ask((ALL, {}), last=True)
        if not database.is_sqlite:  # there the commit is shared with others, at the end
            assert len(await _rows(opened)) == 1
        assert len(found.all()) == 1
    for wrong in ({"which": "another kind", "told": 1}, {"which": "turn", "told": None}):
        with pytest.raises((ConflictError, DatabaseError)):
            async with opened.writing() as connection:
                await _add(connection)
                await connection.tell(TELL, wrong, rows=1)
                await connection.ask((ALL, {}), last=True)
        assert [row.told for row in await _rows(opened)] == [0]
    async with opened.writing() as connection:  # and the connection can be used
        await _add(connection)
    assert len(await _rows(opened)) == 2


async def test_whoever_is_cancelled_holds_up_nobody(database: TestDatabase) -> None:
    """In the midst of a statement that waits, while it is idle, and at each turn of the event loop of a whole transaction."""
    opened = database.open()
    async with opened.writing() as connection:
        await _add(connection, kind="first")

    async def change(kind: str, wait: asyncio.Event | None = None) -> None:
        async with opened.writing() as connection:
            await connection.execute(TELL, {"which": "first", "actor": kind})
            await _add(connection, kind=kind)
            if wait is not None:
                await wait.wait()

    idle = asyncio.create_task(change("idle", asyncio.Event()))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(change("waiting"))
    await asyncio.sleep(0.1)
    for task in (waiting, idle):
        task.cancel()
        await asyncio.wait((task,))
    for turns in range(40):
        task = asyncio.create_task(change(f"turn {turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
    await asyncio.wait_for(change("last"), 10)
    rows = await _rows(opened)
    kinds = [row.kind for row in rows]
    assert kinds[0] == "first"
    assert kinds[-1] == "last"
    assert not {"idle", "waiting"} & {*kinds}
    assert len(kinds) == len({*kinds}), "whoever is cancelled is either kept or not"


async def test_a_connection_that_nobody_gives_back_is_a_sentence(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.is_sqlite:
        return  # it has one that writes, and a queue
    monkeypatch.setattr(postgresql, "PATIENCE", 0.05)
    opened = database.open()
    done = asyncio.Event()

    async def hold() -> None:
        async with opened.writing():
            await done.wait()

    holders = [asyncio.create_task(hold()) for _ in range(postgresql.WRITERS)]
    await asyncio.sleep(0)
    with pytest.raises(DatabaseError, match="has become free"):
        async with opened.writing():
            pass
    assert await _rows(opened) == []  # looking has connections of its own
    done.set()
    await asyncio.gather(*holders)
    async with opened.writing() as connection:
        await _add(connection)
    assert len(await _rows(opened)) == 1


async def test_connections_stay_open_and_are_replaced_when_they_end(database: TestDatabase) -> None:
    if database.is_sqlite:
        return  # a file does not hang up
    opened, cutting = database.open(), database.open()
    pid = Prepared(text("SELECT pg_backend_pid() AS pid").columns(column("pid")))

    async def own() -> int:
        async with opened.writing() as connection:
            return int((await connection.execute(pid)).one().pid)

    async def alive(process: int) -> bool:
        async with cutting.reading() as connection:
            query = text(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {process}")
            return bool((await connection.execute(query)).scalar_one())

    first = await own()
    assert await own() == first
    async with cutting.writing() as connection:
        await connection.execute(text(f"SELECT pg_terminate_backend({first}, 5000)"))
    second = await own()
    assert second != first
    with pytest.raises(DatabaseError):
        async with opened.writing() as connection:
            assert (await connection.execute(pid)).one().pid == second
            async with cutting.writing() as other:
                await other.execute(text(f"SELECT pg_terminate_backend({second}, 5000)"))
            await _add(connection)
    assert await own() not in (first, second)
    last = await own()
    await opened.close()

    for _ in range(100):
        if not await alive(last):
            return
        await asyncio.sleep(0.05)
    pytest.fail("a database that is closed has a connection left")
