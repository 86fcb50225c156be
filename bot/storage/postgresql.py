"""Connections to PostgreSQL, which stay open, and what can be left out of the talk with the server without losing anything by it.

It must not know the tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from sqlalchemy import Connection, CursorResult, Dialect, Executable, NullPool
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import DatabaseError, SettingsError
from bot.storage.prepared import Answer, Prepared

if TYPE_CHECKING:
    import psycopg

WRITERS = 8
READERS = 4
PATIENCE = 30.0
"""Seconds to wait for a connection that nobody uses."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Server:
    """A database that a server keeps."""

    def __init__(self, url: URL) -> None:
        """Raises SettingsError."""
        try:
            # Transactions are begun and ended here, without SQLAlchemy: it would say more than is needed.
            self._whole = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"FIRSTLINE_DATABASE_URL needs the package {error.name!r}, which is not installed: "
                "pip install 'firstline[postgres]', or leave it unset for the embedded database."
            ) from error
        self.engine = self._whole.sync_engine
        self._writers = asyncio.Semaphore(WRITERS)
        # Their own: whoever looks while it writes must not wait for those who wait to look while they write.
        self._readers = asyncio.Semaphore(READERS)
        self._free: list[Line] = []

    @property
    def dialect(self) -> Dialect:
        return self._whole.dialect

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Line]:
        """Raises SQLAlchemyError, psycopg.Error, OSError, DatabaseError."""
        line = await self._taken(self._writers)
        try:
            await line.say("BEGIN")
            yield line
        except BaseException:
            await asyncio.shield(_kept(self._ended(line, line.undo)))
            raise
        # Whoever is cancelled now may not know whether it is kept, but nobody else has the connection before it is decided.
        await asyncio.shield(_kept(self._ended(line, line.commit)))

    @asynccontextmanager
    async def reading(self, *, aside: bool) -> AsyncIterator[Line]:  # noqa: ARG002 - nobody waits for anybody
        """Without BEGIN and COMMIT: at READ COMMITTED each statement sees for itself what is there, in a transaction or not.

        Raises SQLAlchemyError, psycopg.Error, OSError, DatabaseError.
        """
        line = await self._taken(self._readers)
        try:
            yield line
        finally:
            self._give_back(line, self._readers)

    async def _ended(self, line: Line, end: Callable[[], Awaitable[None]]) -> None:
        try:
            await end()
        finally:
            self._give_back(line, self._writers)

    async def _taken(self, turns: asyncio.Semaphore) -> Line:
        try:
            async with asyncio.timeout(PATIENCE):
                await turns.acquire()
        except TimeoutError as error:
            raise DatabaseError(f"No connection to the database has become free within {PATIENCE:.0f} s.") from error
        try:
            while self._free:
                line = self._free.pop()
                if line.lives():
                    return line
                _kept(line.close())
            return await _opened(self._whole)
        except BaseException:
            turns.release()
            raise

    def _give_back(self, line: Line, turns: asyncio.Semaphore) -> None:
        if line.idle:
            self._free.append(line)
        else:
            _kept(line.close())
        turns.release()

    async def close(self) -> None:
        while self._free:
            await self._free.pop().close()
        await asyncio.gather(*_closing, return_exceptions=True)
        await self._whole.dispose()


class Line:
    """A connection to the server: SQLAlchemy's, with a way past it for what is prepared."""

    def __init__(self, whole: AsyncConnection, driver: psycopg.AsyncConnection[Any]) -> None:
        self._whole = whole
        self.driver = driver
        self._cursor = driver.cursor()
        """One for all statements, which follow one another: to make it takes as long as to use it."""

    @property
    def dialect(self) -> Dialect:
        return self._whole.dialect

    @overload
    async def execute(self, statement: Prepared, parameters: Any = None) -> Answer: ...
    @overload
    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]: ...
    async def execute(self, statement: Prepared | Executable, parameters: Any = None) -> Any:
        if not isinstance(statement, Prepared):
            return await self._whole.execute(statement, parameters)
        known, cursor = statement.on(self.dialect, parameters or ()), self._cursor
        await cursor.execute(known.text, known.bound(parameters or {}), prepare=True)
        rows = await cursor.fetchall() if cursor.pgresult is not None and cursor.pgresult.nfields else ()
        return known.answer(rows, cursor.rowcount)

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]:
        return await self._whole.exec_driver_sql(statement, parameters)

    def begin_nested(self) -> AbstractAsyncContextManager[Any]:
        return self._whole.begin_nested()

    async def run_sync(
        self, fn: Callable[Concatenate[Connection, _P], _T], *arguments: _P.args, **named: _P.kwargs
    ) -> _T:
        return await self._whole.run_sync(fn, *arguments, **named)

    # --- the transaction

    async def say(self, command: str) -> None:
        await self._cursor.execute(command)

    async def undo(self) -> None:
        with suppress(
            self.dialect.loaded_dbapi.Error
        ):  # a connection that is not idle after it is closed, which undoes it, too
            await self.say("ROLLBACK")

    async def commit(self) -> None:
        """Raises DatabaseError when nothing is kept, since a statement has failed and nobody has heeded it."""
        await self.say("COMMIT")
        if self._cursor.statusmessage != "COMMIT":
            raise DatabaseError("The database has undone what was to be kept: a statement had failed before.")

    @property
    def idle(self) -> bool:
        """Whether it can be used by somebody else: it lives, and no transaction is under way."""
        return not self.driver.closed and not self._whole.invalidated and not self.driver.pgconn.transaction_status

    def lives(self) -> bool:
        """Asks the socket, where the end of a connection arrives by itself, and not the server."""
        fault = self.dialect.loaded_dbapi.Error
        try:
            for _ in range(2):  # the first may find only the server's last words
                self.driver.pgconn.consume_input()
        except fault:
            return False
        return True

    async def close(self) -> None:
        await self._whole.invalidate()  # which closes it without a word to the server that has to be answered
        await self._whole.close()


async def _opened(engine: AsyncEngine) -> Line:
    """In a task of its own: whoever is cancelled meanwhile would leave a connection that nobody knows of."""
    opening = asyncio.create_task(_connected(engine))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_abandon)
        raise


async def _connected(engine: AsyncEngine) -> Line:
    connection = await engine.connect()
    try:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        return Line(connection, driver)
    except BaseException:
        await connection.close()
        raise


def _abandon(opening: asyncio.Task[Line]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        _kept(opening.result().close())


_closing: set[asyncio.Task[None]] = set()


def _kept(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """A task that is not forgotten by the event loop before it has ended."""
    task = asyncio.create_task(work)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    return task
