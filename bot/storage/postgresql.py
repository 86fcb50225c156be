"""Connections to PostgreSQL: what can be left out of the talk with the server without losing anything by it.

It must not know the tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from sqlalchemy import Dialect, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import SettingsError

WRITERS = 8
READERS = 4


class Server:
    """A database that a server keeps."""

    def __init__(self, url: URL) -> None:
        """Raises SettingsError."""
        try:
            self._writer = _pool(url, WRITERS)
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"FIRSTLINE_DATABASE_URL needs the package {error.name!r}, which is not installed: "
                "pip install 'firstline[postgres]', or leave it unset for the embedded database."
            ) from error
        # Without BEGIN and COMMIT: at READ COMMITTED each statement sees for itself what is there, within a transaction or without.
        # A pool of its own: to switch a connection over each time costs as much as they do.
        self._reader = _pool(url, READERS, isolation_level="AUTOCOMMIT")
        self.engine = self._writer.sync_engine

    @property
    def dialect(self) -> Dialect:
        return self._writer.dialect

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Raises SQLAlchemyError, OSError."""
        return _transaction(self._writer)

    def reading(self, *, aside: bool) -> AbstractAsyncContextManager[AsyncConnection]:  # noqa: ARG002 - nobody waits for anybody
        """Raises SQLAlchemyError, OSError."""
        return _transaction(self._reader)

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


def _pool(url: URL, size: int, **options: Any) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, max_overflow=0, **options)
    fault = engine.dialect.loaded_dbapi.Error

    def leave_out_the_dead(connection: Any, _record: Any, _proxy: Any) -> None:
        """Asks the socket, where the end of a connection arrives by itself, and not the server, as ``pool_pre_ping`` would."""
        try:
            for _ in range(2):  # the first may find only the server's last words
                connection.driver_connection.pgconn.consume_input()
        except fault as error:
            raise DisconnectionError from error  # the pool takes another one

    event.listen(engine.sync_engine, "checkout", leave_out_the_dead)
    return engine


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """``engine.begin()``, but whoever is cancelled midway gives the connection back all the same.

    Opening and closing run in tasks of their own: a cancellation that lands inside them would otherwise leave the connection
    checked out for as long as anybody holds the exception, and the pool has only so many.
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
    connection = await engine.connect()
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
