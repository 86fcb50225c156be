"""Who of several processes on one PostgreSQL may do what only one may do at a time: whoever holds an advisory lock of the database.

The lock lives as long as the connection that took it, and that for a few seconds at most after its process fell silent. It must not
know what is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog

from bot.engine.ending import ended

ASK_EVERY = 1.0
"""Seconds: between two tries to get the lock, and between two signs that it is still held."""
ANSWER_WITHIN = 2.0
"""Seconds that the database may take to answer; then the lock counts as lost."""
SILENT = 5.0
"""Seconds after which the database ends a connection that says nothing, and gives the lock to another process.

More than the two above together: whoever loses the lock has stopped by then, unless it stands still as a whole.
"""

_SETTING = (
    "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = 'idle_session_timeout'"  # since PostgreSQL 14
)
_TRY = "SELECT pg_try_advisory_lock(hashtextextended('firstline ' || current_schema() || ' ' || %s, 0))"
_HERE = "SELECT true"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection, and what has been asked over it without an answer in time."""

    connection: psycopg.AsyncConnection[Any]
    open: set[asyncio.Task[Any]] = field(default_factory=set)

    async def close(self) -> None:
        await self.connection.close()
        await asyncio.gather(*self.open, return_exceptions=True)


class AdvisoryLeadership:
    """``address`` is a libpq URL. Each ``lead`` has a connection of its own."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def lead(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` while no other process does ``name``, and anew after the lock was lost. Raises what it raises."""
        while True:
            try:
                async with self._held(name) as line:
                    log.info("leading", what=name)
                    working = asyncio.ensure_future(work())
                    watching = asyncio.create_task(_watch(line))
                    try:
                        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        # The lock is given back only when the work has ended.
                        await ended((working, watching), within=SILENT)
            except (psycopg.Error, OSError) as error:
                log.warning("lead_not_to_be_had", what=name, error=repr(error))
            else:
                if watching.cancelled():  # the work has ended by itself
                    return working.result()
                log.warning("lead_lost", what=name, error=repr(watching.exception()))
            await asyncio.sleep(ASK_EVERY)

    @asynccontextmanager
    async def _held(self, name: str) -> AsyncIterator[_Line]:
        """A connection that holds the lock, once it can be had. Raises psycopg.Error, TimeoutError."""
        line = _Line(
            await psycopg.AsyncConnection.connect(
                self._address, autocommit=True, connect_timeout=int(SILENT), application_name=f"firstline {name}"
            )
        )
        try:
            await _asked(line, _SETTING, f"{SILENT:.0f}s")
            waiting = False
            while not await _asked(line, _TRY, name):
                if not waiting:
                    log.info("another_process_leads", what=name)
                waiting = True
                await asyncio.sleep(ASK_EVERY)
            yield line
        finally:
            await line.close()


async def _watch(line: _Line) -> None:
    """Raises psycopg.Error, TimeoutError once the lock may have been lost."""
    while True:
        await asyncio.sleep(ASK_EVERY)
        await _asked(line, _HERE)


async def _asked(line: _Line, query: str, *values: str) -> Any:
    """The first value of the answer. Raises psycopg.Error, TimeoutError."""

    async def answer() -> Any:
        row = await (await line.connection.execute(query, values)).fetchone()
        return row and row[0]

    asking = asyncio.create_task(answer())
    try:
        await asyncio.wait((asking,), timeout=ANSWER_WITHIN)
        if not asking.done():
            raise TimeoutError(f"no answer within {ANSWER_WITHIN:.0f} s")
        return asking.result()
    finally:
        if not asking.done():
            # Cancelling it would ask the database first, which may not be there; closing the connection would give the lock away
            # while the work may still be ending.
            line.open.add(asking)
