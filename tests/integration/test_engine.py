"""What both engines promise: one lane at a time, many side by side, and nothing forgotten for longer than a sweep.

The one for several processes is shown to keep it among them in test_procrastinate.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from bot.engine import embedded
from bot.engine.embedded import EmbeddedEngine, Handler, Sweep
from bot.engine.procrastinate import ProcrastinateEngine
from bot.storage.store import Store
from tests.conftest import a_schema, libpq
from tests.fakes import Committed, FakeTables
from tests.integration.desk import until

MILLISECOND = timedelta(milliseconds=1)


Engine = EmbeddedEngine | ProcrastinateEngine


@dataclass
class Engines:
    """Makes engines of one kind; wakes them in transactions as they need them."""

    make: Callable[..., Engine]
    store: Store | None = None

    def __call__(self, handlers: Mapping[str, Handler], sweep: Sweep, **options: Any) -> Engine:
        return self.make(handlers, sweep, **options)

    async def wake(self, engine: Engine, kind: str, lane: str, delay: timedelta = timedelta()) -> None:
        if self.store is None:
            await engine.wake(Committed(), kind, lane, delay)
            return
        async with self.store.transaction() as session:
            await engine.wake(session, kind, lane, delay)


@pytest.fixture(params=["embedded", "procrastinate"])
async def engines(request: pytest.FixtureRequest) -> AsyncIterator[Engines]:
    if request.param == "embedded":
        yield Engines(EmbeddedEngine)
        return
    database = a_schema(request.getfixturevalue("postgres"))
    yield Engines(partial(ProcrastinateEngine, libpq(database)), database.store())
    await database.close()


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[None]:
    async with engine.opened():
        task = asyncio.create_task(engine.run())
        try:
            await asyncio.sleep(0)
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class Work:
    """A handler that notes what it did; ``answers`` are its next results, then None."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.answers: list[timedelta | Exception | None] = []
        self.seconds = 0.0
        self.now: Counter[str] = Counter()
        self.most_at_once = 0
        self.twice: list[str] = []
        """Lanes that ran twice at the same time; what a handler raises, an engine takes for a fault that passes."""

    async def __call__(self, lane: str) -> timedelta | None:
        self.now[lane] += 1
        if self.now[lane] > 1:
            self.twice.append(lane)
        self.most_at_once = max(self.most_at_once, self.now.total())
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.now[lane] -= 1
        self.done.append(lane)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_lane_that_is_woken_is_worked_on(engines: Engines) -> None:
    work = Work()
    engine = engines({"k": work}, FakeTables())
    async with running(engine):
        await engines.wake(engine, "k", "a")
        await engine.settled()
    assert work.done == ["a"]


async def test_the_same_lane_never_runs_twice_at_the_same_time_and_no_wake_up_in_between_is_lost(
    engines: Engines,
) -> None:
    work, chance = Work(), random.Random(7)
    work.seconds = 0.005
    engine = engines({"k": work}, FakeTables(), concurrency=3)
    last: dict[str, int] = {}
    async with running(engine):
        for _ in range(150):
            lane = chance.choice("abcdef")
            await engines.wake(engine, "k", lane, chance.choice((0, 0, 1)) * MILLISECOND)
            last[lane] = len(work.done)
            await asyncio.sleep(chance.choice((0, 0, 0.001)))
        await asyncio.sleep(0.01)
        await engine.settled()
    assert work.twice == []
    assert 1 < work.most_at_once <= 3
    for lane, done in last.items():
        assert lane in work.done[done:], "a lane must run once more after it was last woken"


async def test_a_wake_up_during_the_work_runs_the_lane_once_more(engines: Engines) -> None:
    work = Work()
    work.seconds = 0.05
    engine = engines({"k": work}, FakeTables())
    async with running(engine):
        await engines.wake(engine, "k", "a")
        await until(lambda: work.now["a"] == 1)
        for _ in range(5):
            await engines.wake(engine, "k", "a")
        await engine.settled()
    assert 2 <= len(work.done) <= 6
    if isinstance(engine, EmbeddedEngine):
        assert work.done == ["a", "a"], "it costs nothing there to take several wake-ups for one"


async def test_one_slow_lane_does_not_hold_up_the_others(engines: Engines) -> None:
    blocked = asyncio.Event()
    done: list[str] = []

    async def work(lane: str) -> timedelta | None:
        if lane == "slow":
            await blocked.wait()
        done.append(lane)
        return None

    engine = engines({"k": work}, FakeTables(), concurrency=2)
    async with running(engine):
        for lane in ("slow", "a", "b", "c"):
            await engines.wake(engine, "k", lane)
        await until(lambda: len(done) == 3)
        blocked.set()
        await engine.settled()
    assert done == ["a", "b", "c", "slow"]


async def test_kinds_of_work_do_not_wait_for_each_other(engines: Engines) -> None:
    blocked = asyncio.Event()
    other = Work()

    async def stuck(lane: str) -> timedelta | None:
        await blocked.wait()
        return None

    engine = engines({"stuck": stuck, "other": other}, FakeTables(), concurrency=1)
    async with running(engine):
        await engines.wake(engine, "stuck", "a")
        await engines.wake(engine, "other", "a")
        await until(lambda: other.done == ["a"])
        blocked.set()


async def test_work_that_asks_to_go_on_is_run_until_nothing_is_left(engines: Engines) -> None:
    work = Work()
    work.answers = [timedelta(), 5 * MILLISECOND, timedelta(), None]
    engine = engines({"k": work}, FakeTables())
    async with running(engine):
        await engines.wake(engine, "k", "a")
        await until(lambda: len(work.done) == 4)
        await asyncio.sleep(0.02)
    assert work.done == ["a"] * 4


async def test_work_for_later_does_not_run_before_its_time(engines: Engines) -> None:
    work = Work()
    engine = engines({"k": work}, FakeTables())
    async with running(engine):
        await engines.wake(engine, "k", "a", 60 * MILLISECOND)
        await asyncio.sleep(0.02)
        assert work.done == []
        await until(lambda: work.done == ["a"])


async def test_of_two_times_the_earlier_one_counts(engines: Engines) -> None:
    work = Work()
    engine = engines({"k": work}, FakeTables())
    async with running(engine):
        await engines.wake(engine, "k", "a", timedelta(hours=1))
        await engines.wake(engine, "k", "a", 10 * MILLISECOND)
        await engines.wake(engine, "k", "a", timedelta(hours=2))
        await until(lambda: work.done == ["a"], within=5)


async def test_what_waits_in_the_tables_is_found_at_the_start(engines: Engines) -> None:
    work, tables = Work(), FakeTables()
    tables.waiting = {("k", "a"), ("k", "b")}
    async with running(engines({"k": work}, tables)):
        await until(lambda: sorted(work.done) == ["a", "b"], within=5)


async def test_a_lost_wake_up_is_only_a_delay(engines: Engines) -> None:
    work, tables = Work(), FakeTables()
    async with running(engines({"k": work}, tables, sweep_every=10 * MILLISECOND)):
        await asyncio.sleep(0.02)
        assert work.done == []
        tables.waiting = {("k", "a")}
        await until(lambda: "a" in work.done, within=5)


async def test_the_sweeper_leaves_alone_what_is_to_run_later(engines: Engines) -> None:
    work, tables = Work(), FakeTables()
    work.answers = [timedelta(hours=1)]
    tables.waiting = {("k", "a")}
    async with running(engines({"k": work}, tables, sweep_every=5 * MILLISECOND)):
        await until(lambda: bool(work.done))
        sweeps = tables.sweeps
        await until(lambda: tables.sweeps > sweeps + 5)
    assert work.done == ["a"]


async def test_a_sweep_that_fails_is_repeated(engines: Engines) -> None:
    work, tables = Work(), FakeTables()
    tables.fault = ConnectionError("the database is away")
    async with running(engines({"k": work}, tables, sweep_every=5 * MILLISECOND)):
        await until(lambda: tables.sweeps >= 3)
        tables.fault, tables.waiting = None, {("k", "a")}
        await until(lambda: "a" in work.done)


async def test_work_that_breaks_is_taken_up_again_after_a_moment(engines: Engines) -> None:
    work = Work()
    work.answers = [RuntimeError("broken"), None]
    engine = engines({"k": work}, FakeTables())
    async with running(engine):
        started = asyncio.get_running_loop().time()
        await engines.wake(engine, "k", "a")
        await until(lambda: len(work.done) == 2)
        assert asyncio.get_running_loop().time() - started >= embedded.AFTER_A_FAULT.total_seconds() * 0.99


async def test_settled_means_that_nothing_runs_and_nothing_is_due_now(engines: Engines) -> None:
    work = Work()
    work.seconds = 0.02
    work.answers = [timedelta(), timedelta(), timedelta(hours=1)]
    engine = engines({"k": work}, FakeTables())
    async with running(engine):
        await asyncio.wait_for(engine.settled(), 1)
        await engines.wake(engine, "k", "a")
        await engines.wake(engine, "k", "b", timedelta(hours=1))
        await engine.settled()
        assert work.done == ["a", "a", "a"], "what is to run in an hour does not count"


async def test_settled_sees_work_that_other_work_has_woken(engines: Engines) -> None:
    deliver = Work()
    deliver.seconds = 0.01
    engine: Engine

    async def handle(lane: str) -> timedelta | None:
        await asyncio.sleep(0.01)
        await engines.wake(engine, "deliver", lane)
        return None

    engine = engines({"handle": handle, "deliver": deliver}, FakeTables())
    async with running(engine):
        await engines.wake(engine, "handle", "a")
        await engine.settled()
    assert deliver.done == ["a"]


async def test_stopping_lets_work_under_way_finish_and_begins_none(engines: Engines) -> None:
    work = Work()
    work.seconds = 0.05
    work.answers = [timedelta(), timedelta()]
    engine = engines({"k": work}, FakeTables())
    async with running(engine):
        await engines.wake(engine, "k", "a")
        await engines.wake(engine, "k", "b", timedelta(hours=1))
        await until(lambda: work.now["a"] == 1)
    assert work.done == ["a"]
    await engines.wake(engine, "k", "a")
    await asyncio.sleep(0.02)
    assert work.done == ["a"]
    assert {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()} == set()  # type: ignore[union-attr]  # we run in a task


async def test_an_engine_stops_even_if_a_pool_of_connections_has_lost_its_cancellation(engines: Engines) -> None:
    sweeping = asyncio.Event()

    async def sweep() -> list[tuple[str, str]]:
        sweeping.set()
        with contextlib.suppress(asyncio.CancelledError):  # as asyncio.wait_for of Python 3.11 may
            await asyncio.Event().wait()
        return []

    async with asyncio.timeout(10), running(engines({"k": Work()}, sweep)):
        await sweeping.wait()


@pytest.mark.parametrize("times", [1, 2])
async def test_an_engine_can_be_started_anew(engines: Engines, times: int) -> None:
    work, tables = Work(), FakeTables()
    engine = engines({"k": work}, tables)
    for _ in range(times):
        async with running(engine):
            await engines.wake(engine, "k", "a")
            await engine.settled()
    assert work.done == ["a"] * times
