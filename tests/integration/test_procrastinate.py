"""The engine for several processes: wake-ups belong to their transaction, lanes are shared, and what dies is taken over."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import psycopg
import pytest
from procrastinate import PsycopgConnector

from bot.engine import connections, jobs, procrastinate, wakeups
from bot.engine.procrastinate import ProcrastinateEngine
from bot.errors import DatabaseError, ElsewhereError
from tests.conftest import PostgresServer, TestDatabase, a_schema, libpq
from tests.fakes import FakeTables
from tests.integration.desk import until
from tests.integration.test_engine import Work, running


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    database = a_schema(postgres)
    yield database
    await database.close()


def _engine(database: TestDatabase, work: Work, tables: FakeTables | None = None) -> ProcrastinateEngine:
    return ProcrastinateEngine(libpq(database), {"k": work}, tables or FakeTables())


async def _execute(database: TestDatabase, statement: str) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(libpq(database), autocommit=True) as connection:
        cursor = await connection.execute(statement)
        return await cursor.fetchall() if cursor.description else []


async def test_a_wake_up_is_part_of_its_transaction(database: TestDatabase) -> None:
    work, store = Work(), database.store()
    engine = _engine(database, work)
    async with running(engine):
        with pytest.raises(ZeroDivisionError):
            async with store.transaction() as session:
                await engine.wake(session, "k", "undone")
                raise ZeroDivisionError
        async with store.transaction() as session:
            await engine.wake(session, "k", "done")
            await asyncio.sleep(0.1)
            assert work.done == [], "not before the commit"
        await until(lambda: work.done == ["done"])
        await engine.settled()
    assert work.done == ["done"]


async def test_many_wake_ups_of_one_lane_are_taken_together(database: TestDatabase) -> None:
    work, store = Work(), database.store()
    engine = _engine(database, work)
    async with engine.opened(), store.transaction() as session:
        for _ in range(50):
            await engine.wake(session, "k", "a")
    async with running(engine):
        await engine.settled()
    assert work.done == ["a"]


async def test_work_for_soon_is_looked_for_when_its_time_has_come_and_once(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody polls meanwhile, and what comes for its lane until then is done along with it."""
    monkeypatch.setattr(procrastinate, "POLL_EVERY", timedelta(hours=1))
    work, store = Work(), database.store()
    engine = _engine(database, work)
    async with running(engine):
        await asyncio.sleep(0.2)
        for delay in (0.3, 0.31, 0):
            async with store.transaction() as session:
                await engine.wake(session, "k", "a", timedelta(seconds=delay))
        await asyncio.sleep(0.15)
        assert work.done == [], "what is for soon holds up its lane"
        await until(lambda: work.done == ["a"])
        await asyncio.sleep(0.2)
        await engine.settled()
    assert work.done == ["a"]


async def test_a_worker_that_has_all_it_can_take_has_others_told(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procrastinate, "POLL_EVERY", timedelta(hours=1))
    busy, work, store = Work(), Work(), database.store()
    busy.seconds = 60
    full = ProcrastinateEngine(libpq(database), {"k": busy}, FakeTables(), concurrency=1)
    monkeypatch.setattr(procrastinate, "GRACE", timedelta(milliseconds=50))
    async with running(full):
        async with store.transaction() as session:
            await full.wake(session, "k", "a")
        await until(lambda: busy.now["a"] == 1)
        async with running(_engine(database, work)):
            await asyncio.sleep(0.2)
            async with store.transaction() as session:
                await full.wake(session, "k", "b")
            await until(lambda: work.done == ["b"])


async def test_one_sign_of_life_does_for_all_workers_of_a_process(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procrastinate, "HEARTBEAT", timedelta(seconds=0.2))
    said: Counter[str] = Counter()
    execute = PsycopgConnector.execute_query_async

    async def counted(self: PsycopgConnector, query: str, **arguments: object) -> None:
        said[query] += 1
        await execute(self, query, **arguments)

    monkeypatch.setattr(PsycopgConnector, "execute_query_async", counted)
    engine = ProcrastinateEngine(libpq(database), {kind: Work() for kind in "klmno"}, FakeTables())
    old = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat < now() - interval '1 s'"
    registered = "SELECT count(*) FROM procrastinate_workers"
    async with running(engine):
        while await _execute(database, registered) != [(5,)]:
            await asyncio.sleep(0.01)
        said.clear()
        await asyncio.sleep(2)
        assert await _execute(database, old) == [(0,)]
    beats = sum(count for query, count in said.items() if "last_heartbeat" in query)
    assert 5 <= beats <= 25, "five workers and the process itself would make sixty of it"


async def test_two_engines_never_work_on_the_same_lane_at_the_same_time(database: TestDatabase) -> None:
    """Both share one ``Work``, which notes when a lane runs twice."""
    work, store = Work(), database.store()
    work.seconds = 0.01
    first, second = _engine(database, work), _engine(database, work)
    async with AsyncExitStack() as stack:
        for engine in (first, second):
            await stack.enter_async_context(running(engine))
        for n in range(60):
            async with store.transaction() as session:
                await (first, second)[n % 2].wake(session, "k", "abc"[n % 3])
        await first.settled()
    assert set(work.done) == set("abc")
    assert work.twice == []


async def test_when_all_connections_are_cut_work_goes_on_and_no_lane_stays_locked(database: TestDatabase) -> None:
    work, store = Work(), database.store()
    work.seconds = 0.3
    tables = FakeTables()
    engine = _engine(database, work, tables)
    async with running(engine):
        async with store.transaction() as session:
            await engine.wake(session, "k", "a")
        await until(lambda: work.now["a"] == 1)
        # What listens, what looks for work and what would tell that the job has ended.
        await _execute(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL",
        )
        await until(lambda: work.done == ["a"])
        async with store.transaction() as session:
            await engine.wake(session, "k", "a")
        await until(lambda: work.done == ["a", "a"], within=20)
        await engine.settled()


@pytest.mark.parametrize("kind", ["work", "ring"])
async def test_what_a_dead_process_was_doing_is_put_back(database: TestDatabase, kind: str) -> None:
    work, store = Work(), database.store()
    engine = _engine(database, work)
    async with engine.opened(), store.transaction() as session:
        await engine.wake(session, "k", "a", timedelta() if kind == "work" else timedelta(seconds=3))
    await _execute(database, "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')")
    dead = "status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
    await _execute(database, f"UPDATE procrastinate_jobs SET {dead}")
    assert await _execute(database, "SELECT task_name FROM procrastinate_jobs") == [(kind,)]
    async with running(engine):
        await until(lambda: work.done == ["a"])
        await engine.settled()


async def test_a_timer_of_a_dead_process_gives_way_to_another_for_the_same_moment(database: TestDatabase) -> None:
    work = Work()
    engine = _engine(database, work)
    async with engine.opened():
        one = "'k', 'ring', 0, NULL, 'k:a:1', '{\"kind\": \"k\", \"lane\": \"a\"}', now() + interval '1.5 s'"
        columns = "queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at"
        for state in ("doing", "todo"):
            await _execute(database, f"INSERT INTO procrastinate_jobs ({columns}, status) VALUES ({one}, '{state}')")
    async with running(engine):
        await until(lambda: work.done == ["a"])
        await engine.settled()
    assert work.done == ["a"]
    assert await _execute(database, "SELECT id FROM procrastinate_jobs") == []


async def test_nothing_is_left_in_the_tables_of_wake_ups(database: TestDatabase) -> None:
    work, store = Work(), database.store()
    work.answers = [RuntimeError("broken"), timedelta(milliseconds=10), timedelta(), None]
    engine = _engine(database, work)
    async with running(engine):
        async with store.transaction() as session:
            await engine.wake(session, "k", "a")
        await until(lambda: len(work.done) == 4)
        await engine.settled()
    for table in ("jobs", "events", "workers"):
        assert await _execute(database, f"SELECT * FROM procrastinate_{table}") == [], table


# --- their tables -------------------------------------------------------------------------------------


async def test_many_processes_that_start_at_once_make_the_tables_once(database: TestDatabase) -> None:
    await asyncio.gather(*(wakeups.prepare(libpq(database)) for _ in range(5)))
    assert await _execute(database, "SELECT * FROM procrastinate_jobs") == []


async def test_what_happened_to_jobs_is_not_written_down(database: TestDatabase) -> None:
    """Whatever a later version of Procrastinate calls what would do it."""
    work, store = Work(), database.store()
    work.answers = [timedelta(milliseconds=10)]
    engine = _engine(database, work)
    async with running(engine):
        async with store.transaction() as session:
            await engine.wake(session, "k", "a")
            await engine.wake(session, "k", "b", timedelta(milliseconds=10))
        await until(lambda: sorted(work.done) == ["a", "a", "b"])
        await engine.settled()
        assert await _execute(database, "SELECT last_value, is_called FROM procrastinate_events_id_seq") == [(1, False)]
    triggers = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'procrastinate_jobs'::regclass AND NOT tgisinternal"
    assert await _execute(database, triggers) == []


async def test_tables_of_another_version_are_made_anew_and_the_sweeper_finds_what_was_lost_with_them(
    database: TestDatabase,
) -> None:
    work, store, tables = Work(), database.store(), FakeTables()
    engine = _engine(database, work, tables)
    async with engine.opened(), store.transaction() as session:
        await engine.wake(session, "k", "a")
    await _execute(database, f"COMMENT ON TABLE procrastinate_jobs IS '{wakeups.OURS}, Procrastinate 3.0.0'")
    await _execute(database, "ALTER TABLE procrastinate_jobs DROP COLUMN abort_requested CASCADE")
    tables.waiting = {("k", "a")}
    async with running(engine):
        await until(lambda: "a" in work.done)


async def test_tables_of_somebody_else_are_left_alone(database: TestDatabase) -> None:
    await _execute(database, "CREATE TABLE procrastinate_jobs (theirs int)")
    with pytest.raises(DatabaseError, match="not Firstline's"):
        await wakeups.prepare(libpq(database))
    assert await _execute(database, "SELECT theirs FROM procrastinate_jobs") == []


async def test_a_database_that_cannot_be_reached_is_a_sentence() -> None:
    engine = ProcrastinateEngine("postgresql://127.0.0.1:1/nothing", {}, FakeTables())
    with pytest.raises(DatabaseError, match="wake-ups"):
        async with engine.opened():
            pass


# --- processes that differ, and that end --------------------------------------------------------------


class Lacking(Work):
    """Work of a process without the adapter that all lanes need."""

    async def __call__(self, lane: str) -> timedelta | None:
        await super().__call__(lane)
        raise ElsewhereError("slack")


async def test_a_lane_for_another_process_is_handed_to_it_at_once(database: TestDatabase) -> None:
    lacking, work, store = Lacking(), Work(), database.store()
    first = _engine(database, lacking)
    second = ProcrastinateEngine(libpq(database), {"k": work}, FakeTables(), adapters={"slack"})
    lanes = [f"l{n}" for n in range(20)]
    async with running(first), running(second):
        for lane in lanes:
            async with store.transaction() as session:
                await first.wake(session, "k", lane)
        await until(lambda: set(work.done) == set(lanes))
        await first.settled()
    assert set(Counter(lacking.done).values()) <= {1}, "it is asked once, not again and again"


async def test_a_lane_for_a_process_that_is_not_there_yet_waits_for_it(database: TestDatabase) -> None:
    lacking, work, store, tables = Lacking(), Work(), database.store(), FakeTables()
    first = ProcrastinateEngine(libpq(database), {"k": lacking}, tables, sweep_every=timedelta(milliseconds=50))
    second = ProcrastinateEngine(libpq(database), {"k": work}, FakeTables(), adapters={"slack"})
    tables.waiting = {("k", "a")}
    async with running(first):
        await until(lambda: lacking.done == ["a"])
        for _ in range(3):
            async with store.transaction() as session:
                await first.wake(session, "k", "a")
        sweeps = tables.sweeps
        await until(lambda: tables.sweeps > sweeps + 5)
        assert lacking.done == ["a"], "nobody else is there, so it waits without being tried"
        tables.waiting = set()
        async with running(second):
            await until(lambda: work.done == ["a"], within=5)
            await second.settled()
    assert lacking.done == ["a"]


async def test_a_process_without_work_of_its_own_wakes_others_and_takes_none(database: TestDatabase) -> None:
    work, store = Work(), database.store()
    taker = ProcrastinateEngine(libpq(database), {}, FakeTables())
    async with running(taker), running(_engine(database, work)):
        async with store.transaction() as session:
            await taker.wake(session, "k", "a")
        await until(lambda: work.done == ["a"])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are taken for dead after half a second."""
    for name, seconds in (("HEARTBEAT", 0.1), ("STALLED", 0.5), ("RESCUE_EVERY", 0.1)):
        monkeypatch.setattr(procrastinate, name, timedelta(seconds=seconds))


@pytest.mark.usefixtures("impatient")
async def test_what_a_process_that_is_asked_to_stop_is_still_finishing_is_not_taken_from_it(
    database: TestDatabase,
) -> None:
    """Both share one ``Work``, which notes when a lane runs twice."""
    work, store = Work(), database.store()
    work.seconds = 2
    first, second = _engine(database, work), _engine(database, work)
    async with AsyncExitStack() as others:
        async with running(first):
            async with store.transaction() as session:
                await first.wake(session, "k", "a")
            await until(lambda: work.now["a"] == 1)
            await others.enter_async_context(running(second))
        assert work.done == ["a"]
        await second.settled()
    assert (work.done, work.twice) == (["a"], [])


async def test_what_a_process_could_not_finish_in_time_is_gone_on_with_at_once_by_another(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procrastinate, "GRACE", timedelta(milliseconds=50))
    stuck, work, store = Work(), Work(), database.store()
    stuck.seconds = 60
    never = timedelta(hours=1)
    first = ProcrastinateEngine(libpq(database), {"k": stuck}, FakeTables(), sweep_every=never)
    second = ProcrastinateEngine(libpq(database), {"k": work}, FakeTables(), sweep_every=never)
    async with running(first):
        async with store.transaction() as session:
            await first.wake(session, "k", "a")
        await until(lambda: stuck.now["a"] == 1)
    assert stuck.done == []
    async with running(second):
        await until(lambda: work.done == ["a"], within=4)
        await second.settled()


@pytest.mark.parametrize("seed", range(4))
async def test_stopping_at_any_moment_of_the_start_leaves_no_connection_open(database: TestDatabase, seed: int) -> None:
    chance = random.Random(seed)
    name = f"started-{seed}"
    address = f"{libpq(database)}&application_name={name}"
    await wakeups.prepare(address)

    async def a_life() -> None:
        async with running(ProcrastinateEngine(address, {"k": Work(), "l": Work()}, FakeTables())):
            await asyncio.sleep(60)

    for _ in range(8):
        life = asyncio.create_task(a_life())
        await asyncio.sleep(chance.uniform(0, 0.15))
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life
    await asyncio.sleep(0.2)  # for the server to notice
    assert await _execute(database, f"SELECT pid, query FROM pg_stat_activity WHERE application_name = '{name}'") == []


async def test_what_waits_costs_those_nothing_who_look_for_work(database: TestDatabase) -> None:
    """Neither what is due after the first, nor what is of another kind or for later, is read to find the first."""
    many = 3000
    engine = _engine(database, Work())
    async with engine.opened():
        pass
    connector = connections.connector(libpq(database), most=1)
    await connector.open_async()
    try:
        for queue, lock, due in (
            ("other", "'other:' || n", "now() - interval '1 hour'"),
            ("k", "NULL", "now() + n * interval '1 minute'"),
            ("k", "'k:' || n", "now() - interval '1 minute'"),
        ):
            await connector.execute_query_async(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args, scheduled_at) "
                f"SELECT '{queue}', 'work', {lock}, '{{}}', {due} FROM generate_series(1, {many}) AS n"
            )
        # Often enough that the plan is one that is made once and kept.
        asked = {"queues": ["k", "k@fake"], "worker": None, "most": 8}
        for _ in range(12):
            taken = await connector.execute_query_all_async(jobs._FETCH, **asked)
            assert len(taken) == 8
        plan = await connector.execute_query_all_async(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {jobs._FETCH}", **asked
        )
    finally:
        await connector.close_async()
    read = plan[0]["QUERY PLAN"][0]["Plan"]["Shared Hit Blocks"]
    assert read < many / 4, read
