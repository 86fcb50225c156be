"""Copies of an embedded database: made while it is in use, looked at, and made ready to go on from.

It must not know where copies are kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import text, update

from bot.errors import DatabaseError
from bot.storage import tables
from bot.storage.attachments import ERASING, STORED
from bot.storage.connection import Connection
from bot.storage.events import Events
from bot.storage.outbox import OPEN


def copy(source: Path, target: Path) -> None:
    """As it is at one moment, whoever writes meanwhile; nobody is held up by it. Raises DatabaseError."""
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new, pages=-1)  # in one step: in several it would begin anew with each commit of another process
            new.execute("PRAGMA journal_mode = DELETE").close()  # so that it is one file
    except sqlite3.Error as error:
        raise DatabaseError(f"{source} cannot be copied: {error}") from error


def inspected(copied: Path) -> tuple[str, Sequence[str]]:
    """The revision of a copy and the keys of the files that it needs. Raises DatabaseError when it is damaged or none of ours."""
    try:
        with closing(sqlite3.connect(f"{copied.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise DatabaseError(f"The database is damaged: {found}.")
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            query = "SELECT DISTINCT conversation_id || '/' || hash FROM attachment WHERE hash IS NOT NULL AND state IN (?, ?)"
            has_files = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'attachment'").fetchone()
            rows = connection.execute(query, (STORED, ERASING)).fetchall() if has_files else []
            return str(revision), sorted(key for (key,) in rows)
    except (sqlite3.Error, TypeError) as error:
        raise DatabaseError(f"This is no database of Firstline: {error}") from error


async def go_on_from(connection: Connection, made_at: datetime, now: datetime, *, gap: int) -> int:
    """Make a copy that was made some time ago safe to work on; the number that the next ticket gets.

    What was to be sent then may have been sent since: platforms that can be asked are asked first, and it counts as uncertain. What
    has been opened since has numbers that customers know: ``gap`` numbers are left out.
    """
    outbox = tables.outbox
    await connection.execute(
        update(outbox).where(tables.one_of(outbox.c.state, OPEN)).values(uncertain=outbox.c.uncertain + 1)
    )
    found = await connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'ticket'"))
    last = int(found.scalar_one_or_none() or 0)
    await connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'ticket'"))
    await connection.execute(
        text("INSERT INTO sqlite_sequence (name, seq) VALUES ('ticket', :seq)"), {"seq": last + gap}
    )
    data = {"made_at": made_at.isoformat(), "gap": gap}
    await Events(connection).add("restored", actor="cli", now=now, data=data)
    return last + gap + 1
