"""Connections to PostgreSQL: what can be left out of the talk with the server without losing anything by it.

It must not know the tables.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

WRITERS = 8
READERS = 4


def writing(url: URL) -> AsyncEngine:
    """Raises ModuleNotFoundError when the driver is missing."""
    return _pool(url, WRITERS)


def reading(url: URL) -> AsyncEngine:
    """Without BEGIN and COMMIT: at READ COMMITTED each statement sees for itself what is there, within a transaction or without.

    A pool of its own: to switch a connection over each time costs as much as they do.
    """
    return _pool(url, READERS, isolation_level="AUTOCOMMIT")


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
