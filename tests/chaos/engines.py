"""The two databases of a storm, and how each of them goes away.

It must not know what a storm does.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.disturb import Outage
from tests.conftest import PostgresServer


@dataclass(frozen=True)
class Engine:
    """``processes``: how many bots share it."""

    url: str
    outage: Outage
    processes: int


def sqlite(folder: Path) -> Engine:
    file = folder / "firstline.db"
    return Engine(f"sqlite:///{file}?timeout=1", lambda: _locked(file), 1)


def postgresql(server: PostgresServer) -> Engine:
    """Telegram calls the two processes through a load balancer, or one of them at a time fetches."""
    return Engine(server.url(), lambda: _crashed(server), 2)


@contextmanager
def named(name: str, folder: Path) -> Iterator[Engine]:
    if name == "sqlite":
        yield sqlite(folder)
        return
    server = PostgresServer()
    try:
        yield postgresql(server)
    finally:
        server.close()


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Another program writes to the SQLite file, and takes its time."""
    connection = await asyncio.to_thread(sqlite3.connect, path, timeout=60, check_same_thread=False)
    try:
        await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
        yield
        connection.rollback()
    finally:
        connection.close()


@asynccontextmanager
async def _crashed(server: PostgresServer) -> AsyncIterator[None]:
    await asyncio.to_thread(server.crash)
    yield
    await asyncio.to_thread(server.start)
