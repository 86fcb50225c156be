"""SQLite's connections: how they are opened, one visit to their thread for each statement, one commit for those who wait together.

It must not know the tables.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiosqlite
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from bot.errors import DatabaseError

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that writes to the same file, unless the URL says otherwise (``?timeout=``)."""

PATIENCE = 60.0
"""Seconds to wait for one's turn to write: a queue is no fault, only a stuck writer lets this run out."""

TOGETHER = 16
"""Transactions that share a commit at most: the first of them waits for the last."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


def engine_for(url: URL, *, size: int, begin: str) -> AsyncEngine:
    """``size`` connections, whose transactions begin with the statement ``begin``."""

    async def connected() -> aiosqlite.Connection:
        arguments, options = engine.dialect.create_connect_args(url)
        opened = await asyncio.to_thread(_open, *arguments, **options)
        # The driver's thread gets a connection that is open already: it would tell of one that it cannot open when the event loop
        # may be closed. As a daemon it holds no process back from its end.
        connection = _Driver(lambda: opened, iter_chunk_size=64)
        connection._thread.daemon = True
        await connection
        return connection

    engine = create_async_engine(
        url,
        async_creator=connected,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=PATIENCE,
    )
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _open(*arguments: Any, **options: Any) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < (3, 35):
        raise DatabaseError(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed (RETURNING).")
    # The driver must not begin transactions on its own: it would begin them DEFERRED and fail on the first write under load.
    # Only one thread will use the connection, but another than this one.
    connection: sqlite3.Connection = sqlite3.connect(
        *arguments, **{"timeout": BUSY_TIMEOUT} | options | {"isolation_level": None, "check_same_thread": False}
    )
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()
    except BaseException:
        connection.close()
        raise
    return connection


# --- one visit for each statement

_patient: set[asyncio.Task[Any]] = set()
"""They hear of a cancellation when what they do with SQLAlchemy has ended: in its midst, SQLAlchemy gives the connection up."""
_told: set[asyncio.Task[Any]] = set()
"""Those of them that have been cancelled meanwhile."""


class WholeConnection(AsyncConnection):
    """Ends every statement that it has begun, whoever is cancelled meanwhile; only then is the caller told."""

    async def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        return await _whole(super().execute(statement, parameters, execution_options=execution_options))

    async def run_sync(self, fn: Callable[Concatenate[Connection, _P], _T], *arg: _P.args, **kw: _P.kwargs) -> _T:
        return await _whole(super().run_sync(fn, *arg, **kw))


async def _whole(work: Coroutine[Any, Any, _T]) -> _T:
    task = asyncio.current_task()
    assert task is not None
    _patient.add(task)
    try:
        return await work
    finally:
        _patient.discard(task)
        if task in _told:
            _told.discard(task)
            raise asyncio.CancelledError


class _Driver(aiosqlite.Connection):
    """Four times as cheap as its base: a statement and its rows are one visit to the thread and not four."""

    def cursor(self) -> Any:
        return _Cursor(self)

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What the thread has been asked to do is waited for, whoever is cancelled meanwhile.

        A statement that is left alone keeps its locks for as long as anything refers to it, which the cancellation's own traceback
        does. SQLite needs milliseconds for ours.
        """
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        visit = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((visit, partial(fn, *args, **kwargs)))
        try:
            return await asyncio.shield(visit)
        except asyncio.CancelledError as cancelled:
            while not visit.done():
                # Told to hurry once more: the first time is enough.
                with suppress(asyncio.CancelledError):
                    await asyncio.wait((visit,))
            task = asyncio.current_task()
            if task not in _patient:
                visit.exception()  # nobody else will ask for it
                raise cancelled
            _told.add(task)
            return visit.result()


class _Cursor:
    """As much of a cursor as SQLAlchemy uses. Nothing is open after ``execute``."""

    arraysize = 1

    def __init__(self, driver: _Driver) -> None:
        self._driver = driver
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> _Cursor:
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> _Cursor:
        await self._driver._execute(self._visit, sqlite3.Cursor.execute, sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Any) -> _Cursor:
        await self._driver._execute(self._visit, sqlite3.Cursor.executemany, sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        """Nothing is open."""

    def _visit(self, execute: Callable[..., Any], sql: str, parameters: Any) -> None:
        cursor = self._driver._conn.cursor()
        try:
            execute(cursor, sql, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else []
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()


# --- one commit for several


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class _Turn:
    """``ended`` says whether what was done is to be kept, ``settled`` that it has been committed or undone."""

    granted: asyncio.Future[AsyncConnection] = field(default_factory=_future)
    ended: asyncio.Future[bool] = field(default_factory=_future)
    settled: asyncio.Future[None] = field(default_factory=_future)

    def fail(self, error: BaseException) -> None:
        for future in (self.granted, self.settled):
            if future.done():
                continue
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # whoever was cancelled does not ask
            else:
                future.cancel()


async def _committed(connection: AsyncConnection) -> None:
    try:
        await connection.commit()
    except BaseException:
        # SQLite leaves the transaction open, SQLAlchemy takes it for ended: whoever comes next would find it.
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.rollback()
        raise


class Writer:
    """The one connection that writes. Whoever waits while others commit is let in one after the other and shares the next commit,
    which is what costs most: the disk is waited for. Each is undone for itself when it fails.

    SQLite has one write lock, and waiting in our own queue is fair where its busy loop is not.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[_Turn] = deque()
        self._conducting: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Returns when what was done in the block is on the disk; raises when it is not."""
        turn = _Turn()
        self._waiting.append(turn)
        if self._conducting is None:
            self._conducting = asyncio.create_task(self._conduct())
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await turn.granted
            yield connection
        except BaseException:
            turn.ended.set_result(False)
            if turn.granted.done() and not turn.granted.cancelled():
                # Undone whole, before the caller goes on.
                with suppress(Exception):
                    await asyncio.shield(turn.settled)
            raise
        turn.ended.set_result(True)
        await asyncio.shield(turn.settled)

    async def _conduct(self) -> None:
        try:
            while self._waiting:
                await self._together()
        finally:
            self._conducting = None

    async def _together(self) -> None:
        members: list[_Turn] = []
        turn = self._waiting.popleft()
        try:
            async with WholeConnection(self._engine) as connection:
                await connection.begin()
                while True:
                    if not turn.granted.cancelled() and not await self._let_in(turn, connection, after=members):
                        break  # undone with the whole transaction, in which nobody else was
                    if not self._waiting or len(members) == TOGETHER:
                        break
                    turn = self._waiting.popleft()
                await _committed(connection) if members else await connection.rollback()
        except BaseException as error:
            # Also what others have done in it is gone, whatever has happened: nobody may believe that it is kept.
            for each in (*members, turn):
                each.fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            for each in (*members, turn):
                if not each.settled.done():
                    each.settled.set_result(None)

    async def _let_in(self, turn: _Turn, connection: AsyncConnection, *, after: list[_Turn]) -> bool:
        """False when nothing is left to be kept."""
        if after:
            await connection.exec_driver_sql("SAVEPOINT turn")
        if not turn.granted.done():  # cancelled only just now
            turn.granted.set_result(connection)
        if not await turn.ended:
            if not after:
                return False
            await connection.exec_driver_sql("ROLLBACK TO turn")
            await connection.exec_driver_sql("RELEASE turn")
            turn.settled.set_result(None)
            return True
        if after:
            # Refused if SQLite has undone everything meanwhile, as it does when the disk is full.
            await connection.exec_driver_sql("RELEASE turn")
        after.append(turn)
        return True
