"""Engines and connections: how a transaction is begun, on SQLite and on PostgreSQL.

It must not know the tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiosqlite
from sqlalchemy import Connection, Dialect, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from bot.errors import DatabaseError, SettingsError

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that writes to the same file, unless the URL says otherwise (``?timeout=``)."""

READERS = 4

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Database:
    """A database that is written by one connection (SQLite) or by a pool (PostgreSQL)."""

    def __init__(self, url: str) -> None:
        """``url`` is a SQLAlchemy URL with an async driver: sqlite+aiosqlite or postgresql+psycopg. Raises SettingsError."""
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # what it quotes may be the password
            raise SettingsError(
                "FIRSTLINE_DATABASE_URL cannot be read: it must look like postgresql://user@host/name."
            ) from None
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        in_memory = self.is_sqlite and parsed.database in (None, "", ":memory:")
        if self.is_sqlite and not in_memory:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        if not self.is_sqlite:
            try:
                self._writer = create_async_engine(url, pool_size=10, max_overflow=0, pool_pre_ping=True)
            except ModuleNotFoundError as error:
                raise SettingsError(
                    f"FIRSTLINE_DATABASE_URL needs the package {error.name!r}, which is not installed: "
                    "pip install 'firstline[postgres]', or leave it unset for the embedded database."
                ) from error
            self._reader = self._writer
        else:
            # One writing connection: SQLite has one write lock, and waiting in our own queue is fair where its busy loop is not.
            self._writer = _sqlite_engine(parsed, size=1, begin="BEGIN IMMEDIATE")
            # An in-memory database lives in its connection, so there it is read through the same one.
            self._reader = self._writer if in_memory else _sqlite_engine(parsed, size=READERS, begin="BEGIN")

    @property
    def dialect(self) -> Dialect:
        return self._writer.dialect

    @property
    def engine(self) -> AsyncEngine:
        """The engine that writes; for migrations."""
        return self._writer

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed at the end, rolled back on an exception. Raises DatabaseError."""
        async with _translated(), _transaction(self._writer) as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads. Raises DatabaseError."""
        async with _translated(), _transaction(self._reader) as connection:
            yield connection

    async def close(self) -> None:
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """``engine.begin()``, but whoever is cancelled midway gives the connection back all the same.

    Opening and closing run in tasks of their own: a cancellation that lands inside them would otherwise leave the connection
    checked out for as long as anybody holds the exception, and SQLite has only one that writes.
    """
    opening = asyncio.create_task(_opened(engine))
    try:
        connection = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_abandon)
        raise
    try:
        yield connection
    except BaseException:
        await asyncio.shield(_kept(_closed(connection, commit=False)))
        raise
    await asyncio.shield(_kept(_closed(connection, commit=True)))


class _SQLiteConnection(AsyncConnection):
    """Ends every statement that it has begun, whoever is cancelled meanwhile; only then is the caller told.

    A statement that is cut off halfway keeps its locks for as long as anything refers to it, which the cancellation's own
    traceback does: neither a rollback nor closing the connection would release them. PostgreSQL can cancel statements, SQLite
    needs milliseconds for ours.
    """

    async def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        return await _ended(super().execute(statement, parameters, execution_options=execution_options))

    async def run_sync(self, fn: Callable[Concatenate[Connection, _P], _T], *arg: _P.args, **kw: _P.kwargs) -> _T:
        return await _ended(super().run_sync(fn, *arg, **kw))


async def _ended(statement: Coroutine[Any, Any, _T]) -> _T:
    task = asyncio.create_task(statement)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            # Told to hurry once more: the first time is enough, and is passed on below.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((task,))
        raise


async def _opened(engine: AsyncEngine) -> AsyncConnection:
    connection = await (_SQLiteConnection(engine) if engine.dialect.name == "sqlite" else engine.connect())
    try:
        await connection.begin()
    except BaseException:
        await connection.close()
        raise
    return connection


async def _closed(connection: AsyncConnection, *, commit: bool) -> None:
    try:
        await (connection.commit() if commit else connection.rollback())
    finally:
        await connection.close()


_closing: set[asyncio.Task[None]] = set()


def _kept(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """A task that is not forgotten by the event loop before it has ended."""
    task = asyncio.create_task(work)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    return task


def _abandon(opening: asyncio.Task[AsyncConnection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        _kept(_closed(opening.result(), commit=False))


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]  # what follows are details, which may hold a whole row
        raise DatabaseError(f"The database refused: {type(error.orig).__name__}: {said}") from error
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseError(f"The database cannot be used: {type(error).__name__}: {error}") from error


def _sqlite_engine(url: URL, *, size: int, begin: str) -> AsyncEngine:
    async def connected() -> aiosqlite.Connection:
        arguments, options = engine.dialect.create_connect_args(url)
        opened = await asyncio.to_thread(_open_sqlite, *arguments, **options)
        # The driver's thread gets a connection that is open already: it would tell of one that it cannot open when the event loop
        # may be closed. As a daemon it holds no process back from its end.
        connection = aiosqlite.Connection(lambda: opened, iter_chunk_size=64)
        connection._thread.daemon = True
        await connection
        return connection

    engine = create_async_engine(
        url,
        async_creator=connected,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        # Waiting for the writing connection is a queue, not a fault: only a stuck writer lets this run out.
        pool_timeout=60,
    )
    event.listen(engine.sync_engine, "begin", _beginner(begin))
    return engine


def _open_sqlite(*arguments: Any, **options: Any) -> sqlite3.Connection:
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


def _beginner(statement: str) -> Callable[[Any], None]:
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(statement)

    return begin
