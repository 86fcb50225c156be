"""Looks at what is kept: the database and its version, what waits in it and for how long, the files, the customers.

It reads, and writes only one small file that it removes at once. It must not know what messages say.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.config import Settings
from bot.errors import DatabaseError, FilesError
from bot.model import Finding
from bot.operations.checkup.machine import duration
from bot.ports import Clock, Files
from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.figures import Queue
from bot.storage.store import Session, Store

SKEW = timedelta(seconds=30)

_WAITING = {
    "inbox": (timedelta(minutes=2), "unhandled message"),
    "outbox": (timedelta(minutes=10), "unsent message"),
    "timers": (timedelta(minutes=2), "reminder or promise that is due"),
    "fetch": (timedelta(minutes=30), "file that is to be fetched"),
}
_DEAD = {
    "dead_inbox": "Messages that could not be handled",
    "dead_outbox": "Messages that could not be sent, or may have arrived or not",
    "dead_fetch": "Files of customers that could not be had",
}


async def database(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    try:
        if (file := _missing(settings)) is not None:
            yield Finding("note", f"There is no database {file} yet.", "The first start makes it.")
            return
        async with _opened(settings) as opened:
            found, needed = await migrate.current(opened), migrate.newest()
            where = "SQLite" if opened.is_sqlite else f"PostgreSQL on {opened.url.host or 'this machine'}"
            for finding in _version(found, needed, where, embedded=opened.is_sqlite):
                yield finding
            if not opened.is_sqlite:
                async with opened.reading() as connection:
                    theirs: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
                skew = abs(theirs - clock())
                if skew > SKEW:
                    apart = duration(skew.total_seconds())
                    message = f"The clocks of this machine and of the database differ by {apart}."
                    yield Finding("warning", message, "Let both be set by NTP (timedatectl set-ntp true).")
            if found != needed:
                return
            async with Store(opened).snapshot() as session:
                for finding in _queues(await session.figures.queues(clock()), clock()):
                    yield finding
    except DatabaseError as error:
        remedy = "Is the server up, and FIRSTLINE_DATABASE_URL right: host, port, user, password, name?"
        if not settings.database_url:
            remedy = "Stop the bot and look at the file; `firstline restore` puts a backup in its place."
        yield Finding("error", str(error), remedy)


def _version(found: str | None, needed: str, where: str, *, embedded: bool) -> Iterator[Finding]:
    if found == needed:
        yield Finding("ok", f"The database ({where}) answers and is of version {needed}, which this program needs.")
    elif found is not None and not migrate.known(found):
        message = f"The database ({where}) is of version {found}, which this program does not know: a newer one has worked on it."
        yield Finding("error", message, "Install the newer Firstline again; there is no way back.")
    elif embedded:
        message = f"The database is of version {found or 'none'}, this program needs {needed}."
        yield Finding("note", message, "The next start brings it up by itself.")
    else:
        message = f"The database ({where}) is of version {found or 'none'}, this program needs {needed}."
        yield Finding("error", message, "Run `firstline db upgrade`.")


def _queues(queues: tuple[Queue, ...], now: datetime) -> Iterator[Finding]:
    for queue in queues:
        if queue.kind in _DEAD:
            message = f"{_DEAD[queue.kind]} ({queue.adapter}): {queue.length}."
            yield Finding("warning", message, "`firstline dead list` shows them; `retry` or `drop` each.")
            continue
        patience, what = _WAITING[queue.kind]
        if now - queue.oldest > patience:
            waited = duration((now - queue.oldest).total_seconds())
            message = f"The oldest {what} ({queue.adapter}) has waited for {waited}; {queue.length} in all."
            yield Finding(
                "warning",
                message,
                "Is `firstline run` at work, and with this adapter? Look at its log.",
            )


async def files(settings: Settings, kept: Files) -> AsyncIterator[Finding]:
    """Whether a file can be kept, read and removed."""
    where = settings.files or str(settings.data / "files")
    if "://" not in where and not settings.data.exists():
        yield Finding("note", f"Files of customers will be kept in {where}.", "The first start makes the folder.")
        return

    async def chunks() -> AsyncIterator[bytes]:
        yield b"firstline doctor\n"

    try:
        key = await kept.put("doctor", chunks())
        content = b"".join([piece async for piece in kept.open(key)])
        await kept.remove(key)
    except FilesError as error:
        yield Finding(
            "error",
            f"Files of customers cannot be kept in {where}: {error}",
            "Set FIRSTLINE_FILES, or the rights there.",
        )
        return
    if content == b"firstline doctor\n":
        yield Finding("ok", f"Files of customers are kept in {where}: written, read and removed one.")
    else:
        yield Finding(
            "error", f"What was kept in {where} was read back differently.", "Look at the disk, or at the store."
        )


async def customers(settings: Settings) -> AsyncIterator[Finding]:
    remedy = "`firstline customers import FILE.csv` puts them on file: docs/customers.md."
    try:
        async with _current(settings) as session:
            known = () if session is None else await session.customers.organisations()
    except DatabaseError:
        return  # it has been told
    if known:
        people = sum(bool(organisation.contracts) for organisation in known)
        yield Finding("ok", f"{len(known)} customers are on file, {people} of them with a contract.")
    elif settings.identify == "always":
        message = "FIRSTLINE_IDENTIFY is always, but no customer is on file, so nobody can be known."
        yield Finding("error", message, remedy)
    else:
        yield Finding("note", "No customer is on file, so all are served alike and no contract decides.", remedy)


def _missing(settings: Settings) -> Path | None:
    """The file of an embedded database that is not there yet; looking at it would make it. Raises DatabaseError."""
    try:
        url = make_url(settings.resolved_database_url)
    except ArgumentError:
        raise DatabaseError("FIRSTLINE_DATABASE_URL is no address of a database.") from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise DatabaseError(
            f"FIRSTLINE_DATABASE_URL: {url.get_backend_name()} cannot be used, only SQLite and PostgreSQL."
        )
    file = Path(str(url.database)) if url.get_backend_name() == "sqlite" and url.database else None
    return file if file is not None and not file.exists() else None


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    try:
        opened = Database(settings.resolved_database_url)
        if not opened.is_sqlite:
            importlib.import_module("procrastinate")
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"FIRSTLINE_DATABASE_URL needs the package {error.name!r}, which is not installed: "
            "pip install 'firstline[postgres]'."
        ) from error
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def _current(settings: Settings) -> AsyncIterator[Session | None]:
    """A look into the database; None while there is none of this program's version."""
    if _missing(settings) is not None:
        yield None
        return
    async with _opened(settings) as opened:
        if await migrate.current(opened) != migrate.newest():
            yield None
            return
        async with Store(opened).snapshot() as session:
            yield session
