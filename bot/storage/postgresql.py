"""Connections to PostgreSQL, which stay open, and what can be left out of the talk with the server without losing anything by it.

It must not know the tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from sqlalchemy import Connection, CursorResult, Dialect, Executable, NullPool
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import ConflictError, DatabaseError, SettingsError
from bot.storage.prepared import Answer, Prepared

if TYPE_CHECKING:
    import psycopg

WRITERS = 8
READERS = 4
PATIENCE = 30.0
"""Seconds to wait for a connection that nobody uses."""
UNDONE_WITHIN = 5.0
"""Seconds that the server has to undo a transaction before its connection is closed."""

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
            line.begin()
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
        except BaseException:
            await line.undo()
            raise
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


@dataclass(frozen=True, slots=True)
class _Saying:
    text: str
    parameters: Any = None


_ONLY_IF = "WITH written AS ({} RETURNING 1) SELECT 1 / (count(*) = {})::int FROM written"
"""Fails when another number of rows is written. So whatever comes after it in the same sending is left out, the commit, too."""
_NOT_ONLY = "22012"
"""How it fails: by division by zero, which nothing else of ours does."""

_BEGIN, _COMMIT, _ROLLBACK = _Saying("BEGIN"), _Saying("COMMIT"), _Saying("ROLLBACK")


class Line:
    """A connection to the server: SQLAlchemy's, with a way past it for what is prepared.

    Whatever need not be answered at once is put off and sent along with what is said next: to send and to wait for the answer costs
    both sides more than most statements.
    """

    def __init__(self, whole: AsyncConnection, driver: psycopg.AsyncConnection[Any]) -> None:
        self._whole = whole
        self._driver = driver
        self._cursors = [driver.cursor()]
        """Used again and again: to make one takes as long as to use it."""
        self._put_off: list[_Saying] = []
        self._writing = False

    @property
    def dialect(self) -> Dialect:
        return self._whole.dialect

    @overload
    async def execute(self, statement: Prepared, parameters: Any = None) -> Answer: ...
    @overload
    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]: ...
    async def execute(self, statement: Prepared | Executable, parameters: Any = None) -> Any:
        if isinstance(statement, Prepared):
            (answer,) = await self.ask((statement, parameters or {}))
            return answer
        await self._say()
        return await self._whole.execute(statement, parameters)

    async def ask(self, *questions: tuple[Prepared, Mapping[str, Any]], last: bool = False) -> list[Answer]:
        known = [statement.on(self.dialect, parameters) for statement, parameters in questions]
        said = [_Saying(each.text, each.bound(values)) for each, (_, values) in zip(known, questions, strict=True)]
        if last:
            *cursors, end = await self._say(*said, _COMMIT)
            self._writing = False
            _committed(end)
        else:
            cursors = await self._say(*said)
        return [
            each.answer(await cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else (), cursor.rowcount)
            for each, cursor in zip(known, cursors, strict=True)
        ]

    async def tell(self, statement: Prepared, parameters: Mapping[str, Any], *, rows: int | None = None) -> None:
        known = statement.on(self.dialect, parameters)
        said = known.text if rows is None else _ONLY_IF.format(known.text, rows)
        self._put_off.append(_Saying(said, known.bound(parameters)))
        if not self._writing:
            await self._say()  # no commit will come along

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]:
        await self._say()
        return await self._whole.exec_driver_sql(statement, parameters)

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[None]:
        await self._say()
        async with self._whole.begin_nested():
            try:
                yield
                await self._say()
            except BaseException:
                self._put_off = []  # all of it was told in here
                raise

    async def run_sync(
        self, fn: Callable[Concatenate[Connection, _P], _T], *arguments: _P.args, **named: _P.kwargs
    ) -> _T:
        await self._say()
        return await self._whole.run_sync(fn, *arguments, **named)

    async def _say(self, *now: _Saying) -> list[psycopg.AsyncCursor[Any]]:
        """``now`` after what was put off; the cursors that have the answers to ``now``. Raises ConflictError."""
        before, self._put_off = self._put_off, []
        saying = [*before, *now]
        while len(self._cursors) < len(saying):
            self._cursors.append(self._driver.cursor())
        cursors = self._cursors[: len(saying)]
        try:
            if len(saying) == 1:
                await cursors[0].execute(saying[0].text, saying[0].parameters, prepare=True)
            elif saying:
                async with self._driver.pipeline():
                    for each, cursor in zip(saying, cursors, strict=True):
                        await cursor.execute(each.text, each.parameters, prepare=True)
        except self.dialect.loaded_dbapi.Error as error:
            if getattr(error, "sqlstate", None) == _NOT_ONLY:
                raise ConflictError from error
            raise
        return cursors[len(before) :]

    # --- the transaction

    def begin(self) -> None:
        self._put_off, self._writing = [_BEGIN], True

    async def commit(self) -> None:
        """Raises ConflictError, and DatabaseError when nothing is kept because a statement has failed that nobody has heeded."""
        if not self._writing:
            return  # it has come along with the last question
        self._writing = False
        if self._put_off == [_BEGIN]:
            self._put_off = []  # nobody has said anything
            return
        (cursor,) = await self._say(_COMMIT)
        _committed(cursor)

    async def undo(self) -> None:
        """A connection that is not idle afterwards is closed, which undoes it, too."""
        self._put_off, self._writing = [], False
        with suppress(self.dialect.loaded_dbapi.Error, TimeoutError):
            async with asyncio.timeout(UNDONE_WITHIN):
                if not self.idle:
                    await self._say(_ROLLBACK)

    @property
    def idle(self) -> bool:
        """Whether it can be used by somebody else: it lives, and no transaction is under way."""
        server = self._driver.pgconn
        return not (
            self._driver.closed or self._whole.invalidated or server.transaction_status or server.pipeline_status
        )

    def lives(self) -> bool:
        """Asks the socket, where the end of a connection arrives by itself, and not the server."""
        fault = self.dialect.loaded_dbapi.Error
        try:
            for _ in range(2):  # the first may find only the server's last words
                self._driver.pgconn.consume_input()
        except fault:
            return False
        return True

    async def close(self) -> None:
        await self._whole.invalidate()  # which closes it without a word to the server that has to be answered
        await self._whole.close()


def _committed(cursor: psycopg.AsyncCursor[Any]) -> None:
    if cursor.statusmessage != "COMMIT":
        raise DatabaseError("The database has undone what was to be kept: a statement had failed before.")


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
