"""What only one process may do at a time: on PostgreSQL another takes over within seconds when the one that leads is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from bot.engine import advisory
from bot.engine.advisory import AdvisoryLeadership
from bot.engine.embedded import OnlyProcess
from bot.ports import Leadership
from tests.conftest import PostgresServer, a_schema, libpq
from tests.integration.desk import until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything ten times as fast as in earnest."""
    for name in ("ASK_EVERY", "ANSWER_WITHIN"):
        monkeypatch.setattr(advisory, name, getattr(advisory, name) / 10)


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return libpq(a_schema(postgres))


class Doing:
    """Notes who does it, and for how long at most at the same time."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.begun: list[str] = []
        self.most = 0
        self.slow_to_end = 0.0

    async def __call__(self, who: str) -> None:
        self.now.append(who)
        self.begun.append(who)
        self.most = max(self.most, len(self.now))
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self.slow_to_end)
            self.now.remove(who)


@asynccontextmanager
async def leading(leadership: Leadership, doing: Doing, who: str, what: str = "poll") -> AsyncIterator[None]:
    task = asyncio.create_task(leadership.lead(what, lambda: doing(who)))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def cut(address: str) -> None:
    """Cut the connections of all that lead or want to, as a database does that is restarted."""
    cutting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'firstline %'"
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(cutting)


@pytest.mark.parametrize("answer", ["at once", "slowly"])
async def test_one_does_it_and_another_when_that_one_has_ended(
    address: str, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Also whoever is told to stop amid a question to a slow database must not close the connection that holds the lock."""
    doing = Doing()
    doing.slow_to_end = 1.0
    if answer == "slowly":
        monkeypatch.setattr(advisory, "ASK_EVERY", 0.01)
        monkeypatch.setattr(advisory, "ANSWER_WITHIN", 5.0)
        monkeypatch.setattr(advisory, "_HERE", "SELECT pg_sleep(0.15) IS NULL")
    async with contextlib.AsyncExitStack() as stack:
        async with leading(AdvisoryLeadership(address), doing, "first"):
            await until(lambda: doing.now == ["first"])
            await stack.enter_async_context(leading(AdvisoryLeadership(address), doing, "second"))
            await asyncio.sleep(0.3)
            assert doing.now == ["first"]
        await until(lambda: doing.now == ["second"])
    assert (doing.begun, doing.most) == (["first", "second"], 1)


async def test_what_is_called_otherwise_or_lies_in_another_schema_is_another_matter(
    address: str, postgres: PostgresServer
) -> None:
    doing, other = Doing(), libpq(a_schema(postgres))
    async with (
        leading(AdvisoryLeadership(address), doing, "a"),
        leading(AdvisoryLeadership(address), doing, "b", "other"),
        leading(AdvisoryLeadership(other), doing, "c"),
    ):
        await until(lambda: sorted(doing.now) == ["a", "b", "c"])


async def test_who_loses_the_connection_stops_and_somebody_goes_on(address: str) -> None:
    doing = Doing()
    async with (
        leading(AdvisoryLeadership(address), doing, "first"),
        leading(AdvisoryLeadership(address), doing, "second"),
    ):
        await until(lambda: len(doing.now) == 1)
        await cut(address)
        await until(lambda: len(doing.begun) == 2)
        await until(lambda: len(doing.now) == 1)


async def test_when_the_database_does_not_answer_the_lead_counts_as_lost(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    doing = Doing()
    async with leading(AdvisoryLeadership(address), doing, "first"):
        await until(lambda: doing.now == ["first"])
        with monkeypatch.context() as slow:
            slow.setattr(advisory, "_HERE", "SELECT pg_sleep(1)")
            await until(lambda: doing.now == [])
        await until(lambda: doing.now == ["first"])


async def test_a_process_that_stands_still_gives_the_lead_away(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database ends the connection of whoever says nothing; a process that stands still cannot do that itself."""
    monkeypatch.setattr(advisory, "SILENT", 1.0)
    doing = Doing()
    still = AdvisoryLeadership(address)
    async with still._held("poll"), leading(AdvisoryLeadership(address), doing, "second"):  # which nobody watches
        await asyncio.sleep(0.3)
        assert doing.now == []
        await until(lambda: doing.now == ["second"], within=5)


async def test_what_goes_wrong_with_the_work_is_for_the_caller_and_frees_the_lead(address: str) -> None:
    doing = Doing()

    async def broken() -> None:
        raise ConnectionResetError("the platform is away")

    with pytest.raises(ConnectionResetError, match="platform"):
        await AdvisoryLeadership(address).lead("poll", broken)
    async with leading(AdvisoryLeadership(address), doing, "second"):
        await until(lambda: doing.now == ["second"], within=1)


async def test_work_that_ends_by_itself_is_not_begun_anew(address: str) -> None:
    done = []

    async def work() -> None:
        done.append(1)

    await AdvisoryLeadership(address).lead("poll", work)
    await OnlyProcess().lead("poll", work)
    assert len(done) == 2


async def test_while_the_database_is_away_nothing_is_done_and_it_is_asked_again() -> None:
    doing = Doing()
    async with leading(AdvisoryLeadership("postgresql://127.0.0.1:1/nothing"), doing, "first"):
        await asyncio.sleep(0.3)
        assert doing.begun == []
