"""Procrastinate's jobs, none of which may be left lying: a lane that nobody looks at would wait for seconds, or for good.

It must not know what jobs are for.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Notification, Status
from procrastinate.manager import JobManager, NotificationCallback, get_channel_for_queues

from bot.engine.embedded import Lane
from bot.engine.ending import heed

NOTICE: Notification = {"type": "job_inserted", "job_id": 0}
AGAIN_AFTER = 1.0
"""Seconds until the database is told once more."""
APART = 0.05
"""Seconds between two looks for jobs of a queue, and between two times at which ended ones are forgotten: what comes at short
intervals is done at once, which costs little more than one of it."""
TOGETHER = 8
"""Jobs of a queue that a worker takes at a time, if it has room for them: the workers of other processes want some, too."""

_INSERT = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args, scheduled_at)
    VALUES ({queue}, {task}, 0, {lock}, CAST({arguments} AS jsonb), coalesce(CAST({due} AS timestamptz), now()))
"""
_VALUES = ("queue", "task", "lock", "arguments", "due")
INSERT = _INSERT.format(**{name: f":{name}" for name in _VALUES})
"""What Procrastinate's own function does, for one job and in line with other statements.

Every job is due at some time, so that those that are due need not be looked for among those that are not.
"""
_PUT = _INSERT.format(**{name: f"%({name})s" for name in _VALUES})

# As Procrastinate's own function does it, which takes one at a time and looks at all that wait for it: the first of each lane in
# which nothing runs. Wake-ups of the lane that are there already are for what its job is about to see.
_FETCH = """
    WITH fetched AS (
        UPDATE procrastinate_jobs AS job SET status = 'doing', worker_id = %(worker)s
        FROM unnest(%(queues)s::text[]) AS queue (name) CROSS JOIN LATERAL (
            SELECT id FROM procrastinate_jobs AS waiting
            WHERE status = 'todo' AND queue_name = queue.name AND scheduled_at <= now()
            AND NOT EXISTS (
                SELECT FROM procrastinate_jobs AS other
                WHERE other.lock = waiting.lock
                AND (other.status = 'doing' OR other.status = 'todo' AND other.id < waiting.id)
            )
            ORDER BY scheduled_at, id LIMIT %(most)s FOR UPDATE SKIP LOCKED
        ) AS next
        WHERE job.id = next.id
        RETURNING job.*
    ), absorbed AS (
        DELETE FROM procrastinate_jobs AS waiting USING fetched
        WHERE waiting.lock = fetched.lock AND waiting.status = 'todo' AND waiting.id <> fetched.id
    )
    SELECT id, status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name, attempts, worker_id
    FROM fetched ORDER BY scheduled_at, id
"""
# What waits for their lanes is looked for beside it, since the worker does not.
_FINISH = """
    WITH ended AS (
        DELETE FROM procrastinate_jobs AS job USING unnest(%(ids)s::bigint[], %(workers)s::bigint[]) AS given (id, worker)
        WHERE job.id = given.id AND job.status = 'doing' AND job.worker_id IS NOT DISTINCT FROM given.worker
    )
    SELECT DISTINCT queue_name FROM procrastinate_jobs WHERE lock = ANY(%(locks)s) AND status = 'todo'
"""
_RETRY = """
    SELECT procrastinate_retry_job_v2(id, %(due)s, NULL, NULL, NULL) FROM procrastinate_jobs
    WHERE id = %(id)s AND status = 'doing' AND worker_id IS NOT DISTINCT FROM %(worker)s::bigint
"""
_NOTIFY = "SELECT pg_notify(%(channel)s, %(notice)s)"
_BEAT = "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = ANY(%(workers)s)"

log = structlog.get_logger(__name__)


class _Job(Job):
    def log_context(self) -> dict[str, Any]:
        """Asked for four times for each job, also when nothing is logged."""
        return {"id": self.id, "queue": self.queue, "call_string": self.call_string}


class Jobs(JobManager):
    """Leaves no job lying that could run."""

    def __init__(self, connector: PsycopgConnector, lanes: int, *, heartbeat: timedelta) -> None:
        """``lanes``: how many jobs a worker has at the same time. Signs of life are wanted every ``heartbeat``."""
        super().__init__(connector)
        self._lanes = lanes
        self._heartbeat = heartbeat
        self._ready: defaultdict[int, deque[Job]] = defaultdict(deque)
        """Taken by a worker, which asks for one after the other, and not yet begun."""
        self._held: defaultdict[int, set[int | None]] = defaultdict(set)
        """The jobs that each worker has, those included."""
        self._worker_of: dict[str, int] = {}
        """By queue."""
        self._news: Counter[str] = Counter()
        """How often something was heard of each queue."""
        self._listening: dict[str, NotificationCallback] = {}
        """What tells the worker of a queue."""
        self._emptied: dict[int, int] = {}
        """How often something had been heard when a worker took all that there was."""
        self._open = False
        self._looked: dict[str, float] = {}
        """When jobs of each queue were looked for last, by the loop's clock."""
        self._ended: list[tuple[Job, asyncio.Future[None]]] = []
        """Not forgotten yet."""
        self._forgetting: asyncio.Task[None] | None = None
        self._workers: set[int] = set()
        self._beaten: float | None = None
        """When the last sign of life was given, by the loop's clock."""
        self._ahead = timedelta()
        """By how much the database's clock is ahead of ours."""
        self._nudges: set[asyncio.TimerHandle] = set()
        self._nudging: set[str] = set()
        """Queues of which somebody is about to be told."""
        self._telling: set[asyncio.Task[None]] = set()

    # --- news of jobs

    async def listen(self, queues: Iterable[str]) -> None:
        """Hear of new jobs, for all workers of this process: each that listened for itself would be roused by the jobs of all."""
        names = {_channel(queue): queue for queue in queues}

        async def told(*, channel: str, notification: Notification) -> None:
            await self._tell(names[channel], notification)

        await super().listen_for_jobs(on_notification=told, queues=names.values())

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """A worker wants to be told."""
        mine = dict.fromkeys(queues or (), on_notification)
        self._listening |= mine
        try:
            await asyncio.Event().wait()
        finally:
            for queue in mine:
                if self._listening.get(queue) is on_notification:
                    del self._listening[queue]

    async def _tell(self, queue: str, notification: Notification) -> None:
        self._news[queue] += 1
        if queue in self._listening:
            await self._listening[queue](channel=_channel(queue), notification=notification)

    def nudge(self, queue: str, delay: timedelta = timedelta()) -> None:
        """Have somebody look for jobs that are there by then: the worker of this process if it has room, else those of others.

        All look by themselves, too, but only once in a while.
        """

        def tell() -> None:
            task = asyncio.create_task(self._nudge(queue))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

        if delay > timedelta():
            self._later(delay.total_seconds() + 0.005, lambda: self.nudge(queue))
        elif queue not in self._nudging:
            self._nudging.add(queue)
            self._later(self._looked.get(queue, -APART) + APART - asyncio.get_running_loop().time(), tell)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        def now() -> None:
            self._nudges.discard(timer)
            what()

        if self._open:
            timer = asyncio.get_running_loop().call_later(max(seconds, 0), now)
            self._nudges.add(timer)

    async def _nudge(self, queue: str) -> None:
        self._nudging.discard(queue)
        if queue in self._listening and len(self._held[self._worker_of.get(queue, 0)]) < self._lanes:
            await self._tell(queue, NOTICE)
            return
        try:
            await self.connector.execute_query_async(_NOTIFY, channel=_channel(queue), notice=json.dumps(NOTICE))
        except ConnectorException as error:
            log.warning("database_away", error=repr(error.__cause__))

    # --- on time

    def due(self, delay: timedelta) -> datetime:
        """By the clock of the database."""
        return datetime.now(UTC) + self._ahead + delay

    async def compare_clocks(self) -> None:
        row = await self.connector.execute_query_one_async("SELECT clock_timestamp() AS now")
        self._ahead = row["now"] - datetime.now(UTC)

    async def open(self) -> None:
        """Raises ConnectorException."""
        self._open = True
        self._nudging.clear()  # of what was woken while nobody could be told
        await self.compare_clocks()

    async def close(self) -> None:
        """Nobody is nudged any more, and what has not been forgotten yet is another's soon."""
        self._open = False
        for nudge in self._nudges:
            nudge.cancel()
        self._nudges.clear()
        self._nudging.clear()
        self._ended.clear()
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._telling.add(self._forgetting)
            self._forgetting = None
        await asyncio.gather(*self._telling, return_exceptions=True)

    # --- jobs

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The worker forgets what it is told while it looks, so this looks again."""
        mine, ready = tuple(queues or ()), self._ready[worker_id]
        self._worker_of |= dict.fromkeys(mine, worker_id)
        while not ready:
            before = self._heard(mine)
            if self._emptied.pop(worker_id, None) == before:
                return None
            self._looked |= dict.fromkeys(mine, asyncio.get_running_loop().time())
            most = min(max(self._lanes - len(self._held[worker_id]), 1), TOGETHER)
            rows = await self.connector.execute_query_all_async(_FETCH, queues=list(mine), worker=worker_id, most=most)
            ready.extend(_Job.from_row(row) for row in rows)
            self._held[worker_id] |= {row["id"] for row in rows}
            if rows and len(rows) < most:
                self._emptied[worker_id] = before
            elif not rows and self._heard(mine) == before:
                return None
        return ready.popleft()

    def _heard(self, queues: Iterable[str]) -> int:
        return sum(self._news[queue] for queue in queues)

    async def put(self, lane: Lane, adapter: str | None) -> None:
        """Raises ConnectorException."""
        await self.connector.execute_query_async(_PUT, **job_of(lane, adapter))
        self.nudge(queue_of(lane[0], adapter))

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: ARG002 - none is kept
        """Forget a job that has ended, along with others, and tell of whatever has waited for its lane."""
        self._let_go(job)
        before, forgotten = self._news[job.queue], asyncio.get_running_loop().create_future()
        self._ended.append((job, forgotten))
        if self._forgetting is None:
            self._forgetting = asyncio.create_task(self._forget())
        await asyncio.shield(forgotten)
        if job.lock is not None and self._news[job.queue] != before:
            # What came meanwhile may be of this lane: too late to have been seen above, and too early for the lane to be free.
            self.nudge(job.queue)

    async def _forget(self) -> None:
        while self._ended:
            ended, self._ended = self._ended, []
            try:
                await self._forgotten([job for job, _ in ended])
            except Exception as error:
                for _, waits in ended:
                    waits.set_exception(error)
            else:
                for _, waits in ended:
                    waits.set_result(None)
            await asyncio.sleep(APART)
        self._forgetting = None

    async def _forgotten(self, jobs: Collection[Job]) -> None:
        waiting = await self._said(
            _FINISH,
            ids=[job.id for job in jobs],
            workers=[job.worker_id for job in jobs],
            locks=[job.lock for job in jobs if job.lock is not None],
        )
        for row in waiting:
            self.nudge(row["queue_name"])

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,  # noqa: ARG002 - neither of these is changed
        queue: str | None = None,  # noqa: ARG002
        lock: str | None = None,  # noqa: ARG002
    ) -> None:
        """Put a job off that keeps its lane meanwhile. Raises UniqueViolation if it is a timer, and another has the same moment."""
        self._let_go(job)
        due = retry_at or self.due(timedelta())
        await self._said(_RETRY, id=job.id, worker=job.worker_id, due=due)
        self.nudge(job.queue, due - self.due(timedelta()))

    def _let_go(self, job: Job) -> None:
        """It may be another process's, or that of a worker which is no more."""
        if (held := self._held.get(job.worker_id or 0)) is not None:
            held.discard(job.id)

    async def _said(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        """Say what becomes of a job until the database has heard it: else a process that lives would hold its lane for good.

        A job that was put back meanwhile, because this process stood still for too long, is another's now and left alone.
        """
        while True:
            try:
                return await self.connector.execute_query_all_async(query, **arguments)
            except UniqueViolation:
                raise
            except ConnectorException as error:
                log.warning("database_away", error=repr(error.__cause__))
                await asyncio.sleep(AGAIN_AFTER)

    # --- signs of life

    async def register_worker(self) -> int:
        worker = await super().register_worker()
        try:
            heed()  # what comes after this listens for as long as nobody cancels it
        except asyncio.CancelledError:
            await self.unregister_worker(worker)
            raise
        self._workers.add(worker)
        return worker

    async def unregister_worker(self, worker_id: int) -> None:
        self._workers.discard(worker_id)
        for job in self._ready.pop(worker_id, ()):
            await self.retry_job(job)
        self._held.pop(worker_id, None)
        self._emptied.pop(worker_id, None)
        await super().unregister_worker(worker_id)

    async def beat(self) -> None:
        """Give a sign of life of all workers: one that was asked to stop gives none, but what it has begun is still its own."""
        for worker in tuple(self._workers):
            await self.update_heartbeat(worker)

    async def update_heartbeat(self, worker_id: int) -> None:
        """Of all workers at once, so that the next ones need not give theirs. Raises ConnectorException."""
        now = asyncio.get_running_loop().time()
        if self._beaten is not None and now - self._beaten < self._heartbeat.total_seconds() / 2:
            return
        self._beaten = now
        try:
            await self.connector.execute_query_async(_BEAT, workers=[worker_id, *self._workers])
        except ConnectorException:
            self._beaten = None
            raise


def job_of(
    lane: Lane, adapter: str | None = None, due: datetime | None = None, *, holds: bool = True
) -> dict[str, Any]:
    """The work on a lane, which ``holds`` it up until it is ``due``, or else something without a lock that wakes it then."""
    kind, name = lane
    return {
        "queue": queue_of(kind, adapter),
        "task": "work" if holds else "ring",
        "lock": lock_of(lane) if holds else None,
        "arguments": json.dumps({"kind": kind, "lane": name}),
        "due": due,
    }


def lock_of(lane: Lane) -> str:
    return f"{lane[0]}:{lane[1]}"


def queue_of(kind: str, adapter: str | None = None) -> str:
    """Where lanes of this kind wait: for any process, or for one that has the adapter."""
    return kind if adapter is None else f"{kind}@{adapter}"


def _channel(queue: str) -> str:
    (channel,) = get_channel_for_queues([queue])
    return channel
