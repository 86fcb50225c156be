"""The engine for several processes on one PostgreSQL: wake-ups are Procrastinate jobs, and a lane is a lock that all of them share.

Its tables hold wake-ups and nothing else: whatever is lost there is found again by the sweeper. It must not know what the work is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog
from procrastinate import App, BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status

from bot.engine import connections, wakeups
from bot.engine.embedded import AFTER_A_FAULT, GRACE, SWEEP_EVERY, Handler, Lane, Sweep
from bot.engine.ending import ended, heed
from bot.engine.jobs import INSERT, Jobs, job_of, queue_of
from bot.errors import DatabaseError, ElsewhereError
from bot.logs import told
from bot.ports import Transaction

HEARTBEAT = timedelta(seconds=1)
STALLED = timedelta(seconds=5)
"""A process that has given no sign of life for so long has lost its lanes; if it comes back, the tables' fences refuse it."""
RESCUE_EVERY = timedelta(seconds=2)
POLL_EVERY = timedelta(seconds=1)
"""Only for what a notification should have told: one is lost with the connection that listens."""
SHORT = timedelta(seconds=2)
"""Delays up to this hold up the whole lane, which saves half of the jobs: most are the rest of a burst, or the platform's pace."""

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # "at once", whatever the clocks say
_BUSY = """
    SELECT DISTINCT args->>'kind' AS kind, args->>'lane' AS lane FROM procrastinate_jobs WHERE status IN ('todo', 'doing')
"""
_AT_WORK = """
    SELECT EXISTS (
        SELECT FROM procrastinate_jobs
        WHERE status = 'doing' OR status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
    ) AS found
"""

log = structlog.get_logger(__name__)


class ProcrastinateEngine:
    """Use it inside ``opened()``; ``wake`` needs nothing else, ``run`` does the work."""

    def __init__(
        self,
        address: str,
        handlers: Mapping[str, Handler],
        sweep: Sweep,
        *,
        adapters: Collection[str] = (),
        concurrency: int = 48,
        sweep_every: timedelta = SWEEP_EVERY,
    ) -> None:
        """``address`` is a libpq URL. What has no handler here is done by other processes, and so is what was found to need an
        adapter that is not among ``adapters``. ``concurrency`` is how many lanes of one kind run at the same time in this process;
        most of them wait, for others to be understood together with or for a platform.
        """
        self._address = address
        self._handlers = handlers
        self._sweep = sweep
        self._adapters = adapters
        self._concurrency = concurrency
        self._sweep_every = sweep_every
        self._connector = connections.connector(address, most=4 + len(handlers))
        self._app = App(connector=self._connector)
        self._jobs = self._app.job_manager = Jobs(self._connector, concurrency, heartbeat=HEARTBEAT)
        self._app.task(name="work", queue="work", retry=_Soon())(self._work)
        self._app.task(name="ring", queue="work")(self._ring)
        self._stopping = False
        # At info level it tells of every single wake-up.
        logging.getLogger("procrastinate").setLevel(logging.ERROR)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Make the tables of the wake-ups where they are missing, and hold connections. Raises DatabaseError."""
        await wakeups.prepare(self._address)
        with _translated():
            try:
                await self._app.open_async()
                await self._jobs.open()
                heed()
                yield
            finally:
                await self._jobs.close()
                await self._app.close_async()

    async def wake(self, transaction: Transaction, kind: str, lane: str, delay: timedelta = timedelta()) -> None:
        """Part of the transaction: what is committed is woken, whoever dies right afterwards. Raises DatabaseError."""
        queue, due = queue_of(kind), self._jobs.due(delay) if delay > timedelta() else None
        await transaction.tell(INSERT, job_of((kind, lane), due=due, holds=delay <= SHORT))
        transaction.after_commit(lambda: self._jobs.nudge(queue, delay))

    async def run(self) -> None:
        """Work until cancelled, whatever the database does meanwhile; lanes under way may then finish, for ten seconds."""
        self._stopping = False
        # Outlives the workers, which give no sign of life while the last lanes finish: others would take these for abandoned.
        alive = asyncio.create_task(self._again_and_again("heartbeat", HEARTBEAT, self._jobs.beat))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._notice_the_end())
                group.create_task(self._again_and_again("sweep", self._sweep_every, self.sweep))
                group.create_task(self._again_and_again("rescue", RESCUE_EVERY, self._rescue))
                if self._handlers:
                    group.create_task(self._again_and_again("listener", AFTER_A_FAULT, self._listen))
                for kind in self._handlers:
                    group.create_task(self._again_and_again("worker", AFTER_A_FAULT, self._worker, kind))
        finally:
            self._stopping = True
            await ended((alive,), within=GRACE.total_seconds())

    async def _listen(self) -> None:
        """Ends when the database cannot be reached."""
        hearing = asyncio.ensure_future(
            self._jobs.listen([queue for kind in self._handlers for queue in self._queues(kind)])
        )
        try:
            await asyncio.wait((hearing,))
            hearing.result()
        finally:
            await ended(
                (hearing,), within=HEARTBEAT.total_seconds()
            )  # it would listen for ever if it missed being cancelled

    async def _notice_the_end(self) -> None:
        """Workers tell nobody that they are asked to stop until their jobs have ended, but jobs must know."""
        try:
            await asyncio.Event().wait()
        finally:
            self._stopping = True

    async def sweep(self) -> None:
        """Wake whatever waits in the tables and has no wake-up. Raises DatabaseError."""
        waiting = await self._sweep()
        with _translated():
            found = await self._connector.execute_query_all_async(_BUSY)
            busy = {(row["kind"], row["lane"]) for row in found}
            for lane in waiting:
                if lane not in busy:
                    await self._put(lane)

    async def settled(self) -> None:
        """Wait until nothing runs, in any process, and nothing is due at once; what is to run later does not count."""
        with _translated():
            # Other processes work as well, so there is nothing here that could be waited for.
            while (await self._connector.execute_query_one_async(_AT_WORK))["found"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    # --- work

    async def _worker(self, kind: str) -> None:
        await self._app.run_worker_async(
            queues=self._queues(kind),
            concurrency=self._concurrency,
            install_signal_handlers=False,
            delete_jobs="always",
            fetch_job_polling_interval=POLL_EVERY.total_seconds(),
            shutdown_graceful_timeout=GRACE.total_seconds(),
            update_heartbeat_interval=HEARTBEAT.total_seconds(),
            stalled_worker_timeout=STALLED.total_seconds(),
        )
        log.warning("worker_stopped", kind=kind)  # a sign of life could not be given: the database is away

    def _queues(self, kind: str) -> list[str]:
        return [queue_of(kind), *(queue_of(kind, adapter) for adapter in self._adapters)]

    async def _work(self, kind: str, lane: str) -> None:
        try:
            delay, adapter = await self._worked(kind, lane)
        except asyncio.CancelledError:  # the time to finish has run out; others go on with it at once
            delay, adapter = timedelta(), None
        if delay is not None and timedelta() < delay <= SHORT:
            raise _SoonError(self._jobs.due(delay))
        try:
            if delay == timedelta():
                await self._put((kind, lane), adapter)
            elif delay is not None:
                await self._put_off((kind, lane), delay)
                self._jobs.nudge(queue_of(kind), delay)
        except ConnectorException as error:
            log.warning("wake_up_lost", kind=kind, lane=lane, error=repr(error.__cause__))  # the sweeper finds it

    async def _worked(self, kind: str, lane: str) -> tuple[timedelta | None, str | None]:
        """Until there is nothing to do at once: when to look again, and which adapter the process needs that does."""
        delay: timedelta | None = timedelta()
        while delay == timedelta() and not self._stopping:
            try:
                delay = await self._handlers[kind](lane)
            except ElsewhereError as error:
                return timedelta(), error.adapter
            except Exception as error:
                log.warning("lane_failed", kind=kind, lane=lane, error=told(error))
                delay = AFTER_A_FAULT
        return delay, None

    async def _ring(self, kind: str, lane: str) -> None:
        await self._put((kind, lane))

    async def _put(self, lane: Lane, adapter: str | None = None) -> None:
        """``adapter``: only a process that has it is to take the lane, which waits until there is one."""
        # No queueing lock: a stalled job could then not be put back while another of its lane waits.
        await self._jobs.put(lane, adapter)

    async def _put_off(self, lane: Lane, delay: timedelta) -> None:
        kind, name = lane
        due = self._jobs.due(delay)
        once = f"{kind}:{name}:{due.timestamp():.0f}"  # those of the same second are one
        ring = self._app.configure_task("ring", queue=queue_of(kind), schedule_at=due, queueing_lock=once)
        with contextlib.suppress(AlreadyEnqueued):
            await ring.defer_async(kind=kind, lane=name)

    # --- what others have left behind

    async def _rescue(self) -> None:
        """Put back what a process was working on that has died or stands still."""
        await self._jobs.compare_clocks()
        jobs = self._jobs
        for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=STALLED.total_seconds()):
            log.warning("lane_rescued", kind=job.queue, lane=job.task_kwargs.get("lane"))
            try:
                await jobs.retry_job(job, retry_at=_LONG_AGO)
            except UniqueViolation:
                await jobs.finish_job(job, Status.FAILED, delete_job=True)  # another timer for the same moment waits

    async def _again_and_again(self, what: str, every: timedelta, work: Any, *arguments: Any) -> None:
        while True:
            try:
                await work(*arguments)
            except Exception as error:
                log.warning(f"{what}_failed", error=repr(error.__cause__ or error))
            heed()
            await asyncio.sleep(every.total_seconds())


class _SoonError(Exception):
    """The lane is to be looked at again at that moment, and held up until then."""

    def __init__(self, due: datetime) -> None:
        super().__init__(due)
        self.due = due


class _Soon(BaseRetryStrategy):
    """A job that is to run again soon is put off and not written anew: it keeps its lock, and nobody has to be told."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:  # noqa: ARG002
        return RetryDecision(retry_at=exception.due) if isinstance(exception, _SoonError) else None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ConnectorException, psycopg.Error) as error:
        raise DatabaseError(f"The wake-ups cannot be used: {error.__cause__ or error}") from error
