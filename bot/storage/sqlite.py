"""SQLite, used in the event loop's own thread: a statement of ours takes it less time than asking another thread for it would.

What may take long is not: waiting for another process that writes, and for the disk. One commit serves those who wait together.
It must not know the tables.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from sqlalchemy import Connection, CursorResult, Dialect, Engine, Executable, QueuePool, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from bot.errors import ConflictError, DatabaseError, SettingsError
from bot.storage.prepared import Answer, Prepared

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that writes to the same file, unless the URL says otherwise (``?timeout=``)."""

ASK_AGAIN = 0.01
"""Seconds until it is looked again whether that one has ended."""

LOOK = 1.0
"""Seconds that whoever only looks may have to wait, and the event loop too: while another process opens or closes the file."""

PATIENCE = 60.0
"""Seconds to wait for one's turn to write: a queue is no fault, only a stuck writer lets this run out."""

TOGETHER = 16
"""Transactions that share a commit at most: the first of them waits for the last."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Embedded:
    """A database in a file, or in memory for as long as this lives."""

    def __init__(self, url: URL) -> None:
        """Raises SettingsError."""
        try:
            patience = float(str(url.query.get("timeout", BUSY_TIMEOUT)))
        except ValueError:
            raise SettingsError(
                "FIRSTLINE_DATABASE_URL: ?timeout= must be a number, the seconds to wait for another process that writes."
            ) from None
        self._in_memory = url.database in (None, "", ":memory:")
        if not self._in_memory:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine_for(url)
        self._reader = _engine_for(url)
        self._writer = Writer(self.engine, patience)

    @property
    def dialect(self) -> Dialect:
        return self.engine.dialect

    def writing(self) -> AbstractAsyncContextManager[InPlace]:
        """Raises SQLAlchemyError, OSError."""
        return self._writer.transaction()

    @asynccontextmanager
    async def reading(self, *, aside: bool) -> AsyncIterator[InPlace]:
        """Sees everything as it was at its first statement. Raises SQLAlchemyError, OSError."""
        if self._in_memory:  # it lives in its one connection
            async with self.writing() as written:
                yield written
            return
        await asyncio.sleep(0)  # whoever looks again and again would leave nobody else a turn
        with self._reader.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield (Aside if aside else InPlace)(connection)

    async def close(self) -> None:
        await self._writer.idle()
        self.engine.dispose()
        self._reader.dispose()


def _engine_for(url: URL) -> Engine:
    """Its connections begin no transaction on their own. The file is opened as often as somebody uses it at the same time."""
    options = {key: value for key, value in url.query.items() if key != "timeout"}
    return create_engine(
        url.set(drivername="sqlite", query=options),  # whichever driver it names, there is only this one
        connect_args={"timeout": LOOK, "isolation_level": None, "check_same_thread": False, "factory": _Driver},
        poolclass=QueuePool,
        max_overflow=-1,
    )


class _Driver(sqlite3.Connection):
    """Has nothing open after a statement: what is open keeps its locks for as long as anything refers to it, which the traceback of
    an exception does.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if sqlite3.sqlite_version_info < (3, 35):
            raise DatabaseError(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed (RETURNING).")
        super().__init__(*arguments, **options)
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            self.close()
            raise

    def cursor(self, factory: Any = None) -> Any:  # noqa: ARG002 - the base's signature
        return super().cursor(_Cursor)


class _Cursor(sqlite3.Cursor):
    """Has all its rows at once."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._rows: deque[Any] = deque()

    def execute(self, *arguments: Any) -> Any:
        super().execute(*arguments)
        self._rows = deque(super().fetchall() if self.description else ())
        return self

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        return [self._rows.popleft() for _ in range(min(size or 1, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows, self._rows = list(self._rows), deque()
        return rows


async def _whole(work: Callable[[], _T], threads: ThreadPoolExecutor | None = None) -> _T:
    """Do it in another thread, and wait for its end whoever is cancelled meanwhile: the connection is not free before."""
    doing = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            # Told to hurry once more: the first time is enough.
            with suppress(asyncio.CancelledError):
                await asyncio.wait((doing,))
        doing.exception()  # nobody else will ask for it
        raise


class InPlace:
    """As much of SQLAlchemy's ``AsyncConnection`` as we use. Nothing is awaited in it, so nobody can be cancelled in the midst."""

    def __init__(self, connection: Connection) -> None:
        self.sync = connection
        self._driver = _driver_of(connection)

    @property
    def dialect(self) -> Dialect:
        return self.sync.dialect

    @overload
    async def execute(self, statement: Prepared, parameters: Any = None) -> Answer: ...
    @overload
    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]: ...
    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        return self._executed(statement, parameters)

    async def ask(self, *questions: tuple[Prepared, Mapping[str, Any]], last: bool = False) -> list[Answer]:  # noqa: ARG002 - the commit is shared with others
        return [await self.execute(*question) for question in questions]

    async def tell(self, statement: Prepared, parameters: Mapping[str, Any], *, rows: int | None = None) -> None:
        """Raises ConflictError when other than ``rows`` rows were written."""
        answer = await self.execute(statement, parameters)
        if rows is not None and answer.rowcount != rows:
            raise ConflictError

    def _executed(self, statement: Prepared | Executable, parameters: Any) -> Any:
        if not isinstance(statement, Prepared):
            return self.sync.execute(statement, parameters)
        known = statement.on(self.sync.dialect, parameters or ())
        cursor = self._driver.execute(known.text, known.bound(parameters or {}))
        return known.answer(cursor.fetchall(), cursor.rowcount)

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]:
        return self.sync.exec_driver_sql(statement, parameters)

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[None]:
        with self.sync.begin_nested():
            yield

    async def run_sync(
        self, fn: Callable[Concatenate[Connection, _P], _T], *arguments: _P.args, **named: _P.kwargs
    ) -> _T:
        return fn(self.sync, *arguments, **named)


class Aside(InPlace):
    """For what may take long, as whoever counts everything does: its statements leave the event loop's thread free."""

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        return await _whole(lambda: self._executed(statement, parameters))


# --- one commit for several


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class _Turn:
    """``ended`` says whether what was done is to be kept, ``settled`` that it has been committed or undone."""

    granted: asyncio.Future[InPlace] = field(default_factory=_future)
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


class Writer:
    """The one connection that writes. Whoever waits while others commit is let in one after the other and shares the next commit,
    which is what costs most: the disk is waited for. Each is undone for itself when it fails.

    SQLite has one write lock, and waiting in our own queue is fair where its busy loop is not.
    """

    def __init__(self, engine: Engine, patience: float) -> None:
        """``patience``: seconds to wait for another process that writes."""
        self._engine = engine
        self._patience = patience
        # A thread of its own: those that everybody shares may all be waiting for a mail server.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="firstline-commit")
        self._waiting: deque[_Turn] = deque()
        self._conducting: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[InPlace]:
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

    async def idle(self) -> None:
        """Wait until nobody writes."""
        if self._conducting is not None:
            await asyncio.wait((self._conducting,))

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
            with self._engine.connect() as connection:
                await self._begun(connection)
                while True:
                    if not turn.granted.cancelled() and not await _let_in(turn, connection, after=members):
                        break  # undone with the whole transaction, in which nobody else was
                    if not self._waiting or len(members) == TOGETHER:
                        break
                    turn = self._waiting.popleft()
                if members:
                    await self._committed(connection)
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

    async def _begun(self, connection: Connection) -> None:
        give_up = asyncio.get_running_loop().time() + self._patience
        _tell(connection, "PRAGMA busy_timeout = 0")
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                late = asyncio.get_running_loop().time() > give_up
                if late or getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                await asyncio.sleep(ASK_AGAIN)
            else:
                return

    async def _committed(self, connection: Connection) -> None:
        try:
            await _whole(connection.commit, self._disk)
        except BaseException:
            # SQLite leaves the transaction open, SQLAlchemy takes it for ended: whoever comes next would find it.
            _driver_of(connection).rollback()
            raise


def _driver_of(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _tell(connection: Connection, statement: str) -> None:
    """Past SQLAlchemy, which has nothing to add to it. Raises DatabaseError."""
    try:
        _driver_of(connection).execute(statement)
    except sqlite3.Error as error:
        raise DatabaseError(f"The database refused: {type(error).__name__}: {error}") from error


async def _let_in(turn: _Turn, connection: Connection, *, after: list[_Turn]) -> bool:
    """False when nothing is left to be kept."""
    if after:
        _tell(connection, "SAVEPOINT turn")
    if not turn.granted.done():  # cancelled only just now
        turn.granted.set_result(InPlace(connection))
    if not await turn.ended:
        if not after:
            return False
        _tell(connection, "ROLLBACK TO turn")
        _tell(connection, "RELEASE turn")
        turn.settled.set_result(None)
        return True
    if after:
        # Refused if SQLite has undone everything meanwhile, as it does when the disk is full.
        _tell(connection, "RELEASE turn")
    after.append(turn)
    return True
