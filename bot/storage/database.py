"""Engines and connections: how a transaction is begun, on SQLite and on PostgreSQL.

It must not know the tables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Dialect, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from bot.errors import DatabaseError, SettingsError
from bot.storage.connection import Connection
from bot.storage.postgresql import Server
from bot.storage.sqlite import Embedded


class Database:
    """A database that is written by one connection (SQLite) or by a pool (PostgreSQL)."""

    def __init__(self, url: str) -> None:
        """``url`` is a SQLAlchemy URL: sqlite or postgresql+psycopg. Raises SettingsError."""
        try:
            self.url = make_url(url)
        except (ArgumentError, ValueError):  # what it quotes may be the password
            raise SettingsError(
                "FIRSTLINE_DATABASE_URL cannot be read: it must look like postgresql://user@host/name."
            ) from None
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._backend: Embedded | Server = Embedded(self.url) if self.is_sqlite else Server(self.url)

    @property
    def dialect(self) -> Dialect:
        return self._backend.dialect

    @property
    def engine(self) -> Engine:
        """The engine that writes; to listen to."""
        return self._backend.engine

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """A transaction that may write: committed at the end, rolled back on an exception. Raises DatabaseError."""
        async with _translated(self.dialect), self._backend.writing() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self, *, aside: bool = False) -> AsyncIterator[Connection]:
        """A transaction that only reads. ``aside``: it may take long, and nobody has to wait for it. Raises DatabaseError."""
        async with _translated(self.dialect), self._backend.reading(aside=aside) as connection:
            yield connection

    async def close(self) -> None:
        await self._backend.close()


@asynccontextmanager
async def _translated(dialect: Dialect) -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _refused(error.orig) from error
    except dialect.loaded_dbapi.Error as error:  # what is prepared goes to the driver past SQLAlchemy
        raise _refused(error) from error
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseError(f"The database cannot be used: {type(error).__name__}: {error}") from error


def _refused(error: BaseException | None) -> DatabaseError:
    said = str(error).partition("\n")[0]  # what follows are details, which may hold a whole row
    return DatabaseError(f"The database refused: {type(error).__name__}: {said}")
