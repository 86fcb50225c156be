"""Engines and connections: how a transaction is begun, on SQLite and on PostgreSQL.

It must not know the tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Dialect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import DatabaseError, SettingsError
from bot.storage import postgresql
from bot.storage.sqlite import WholeConnection, Writer, engine_for

READERS = 4


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
                self._writer = postgresql.writing(parsed)
            except ModuleNotFoundError as error:
                raise SettingsError(
                    f"FIRSTLINE_DATABASE_URL needs the package {error.name!r}, which is not installed: "
                    "pip install 'firstline[postgres]', or leave it unset for the embedded database."
                ) from error
            self._reader = postgresql.reading(parsed)
        else:
            self._writer = engine_for(parsed, size=1, begin="BEGIN IMMEDIATE")
            # An in-memory database lives in its connection, so there it is read through the same one.
            self._reader = self._writer if in_memory else engine_for(parsed, size=READERS, begin="BEGIN")
        self._together = Writer(self._writer) if self.is_sqlite else None

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
        transaction = _transaction(self._writer) if self._together is None else self._together.transaction()
        async with _translated(), transaction as connection:
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


async def _opened(engine: AsyncEngine) -> AsyncConnection:
    connection = await (WholeConnection(engine) if engine.dialect.name == "sqlite" else engine.connect())
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
