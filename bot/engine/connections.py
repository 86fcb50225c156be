"""The connections over which Procrastinate's jobs are fetched and finished: each statement is a transaction of its own.

Its connector would ask before each whether the connection lives, begin and commit: four answers to wait for instead of one.
It must not know what is said over them.
"""

from __future__ import annotations

from typing import Any

import psycopg
from procrastinate import PsycopgConnector
from psycopg_pool import AsyncConnectionPool

PATIENCE = 5.0
"""Seconds to wait for a connection."""


def connector(address: str, most: int) -> PsycopgConnector:
    """``address`` is a libpq URL; ``most`` connections are open at the same time."""
    return PsycopgConnector(
        conninfo=address, min_size=1, max_size=most, timeout=PATIENCE, configure=_configured, pool_factory=_pool
    )


def _pool(**arguments: Any) -> AsyncConnectionPool[Any]:
    return AsyncConnectionPool(**{**arguments, "check": _alive})


async def _configured(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)
    # Plans are made while there is next to nothing in the tables of jobs, and then kept.
    for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin", "sort"):
        await connection.execute(f"SET enable_{way} TO off")
    # What becomes of a job may be lost in a crash of the database: the sweeper finds what it was for.
    await connection.execute("SET synchronous_commit TO off")


async def _alive(connection: psycopg.AsyncConnection[Any]) -> None:
    """Asks the socket, where the end of a connection arrives by itself. Raises psycopg.OperationalError."""
    for _ in range(2):  # the first may find only the server's last words
        connection.pgconn.consume_input()
