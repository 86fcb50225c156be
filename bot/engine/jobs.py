"""Procrastinate's jobs, none of which may be left lying: a lane that nobody looks at would wait for seconds, or for good.

It must not know what jobs are for.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable

import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Notification, Status
from procrastinate.manager import JobManager, NotificationCallback, get_channel_for_queues

from bot.engine.embedded import Lane
from bot.engine.ending import heed

NOTICE = json.dumps({"type": "job_inserted", "job_id": 0})
AGAIN_AFTER = 1.0
"""Seconds until the database is told once more."""

_FINISH = """
    SELECT procrastinate_finish_job_v1(id, %(status)s, %(delete)s) FROM procrastinate_jobs
    WHERE id = %(id)s AND status = 'doing' AND worker_id IS NOT DISTINCT FROM %(worker)s::bigint
"""
_NEXT = """
    SELECT pg_notify(%(channels)s || queue_name, %(payload)s) FROM procrastinate_jobs
    WHERE lock = %(lock)s AND status = 'todo' ORDER BY priority DESC, id LIMIT 1
"""

log = structlog.get_logger(__name__)


class Jobs(JobManager):
    """Leaves no job lying that could run."""

    def __init__(self, connector: PsycopgConnector) -> None:
        super().__init__(connector)
        self._news: Counter[tuple[str, ...]] = Counter()
        self._workers: set[int] = set()

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        async def counted(*, channel: str, notification: Notification) -> None:
            self._news[tuple(queues or ())] += 1
            await on_notification(channel=channel, notification=notification)

        await super().listen_for_jobs(on_notification=counted, queues=queues)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The worker forgets what it is told while it looks, so this looks again."""
        key = tuple(queues or ())
        while True:
            before = self._news[key]
            job = await super().fetch_job(queues, worker_id)
            if job is not None or self._news[key] == before:
                return job

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
        await super().unregister_worker(worker_id)

    async def beat(self) -> None:
        """Give a sign of life of all workers: one that was asked to stop gives none, but what it has begun is still its own."""
        for worker in tuple(self._workers):
            await self.update_heartbeat(worker)

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Say that a job has ended until the database has heard it: else a process that lives would hold its lane for good.

        A job that was put back meanwhile, because this process stood still for too long, is another's now and left alone. Then
        whatever has waited for the lane is announced, which the worker would not do.
        """
        ended = {"id": job.id, "status": status.value, "delete": delete_job, "worker": job.worker_id}
        while True:
            try:
                await self.connector.execute_query_all_async(_FINISH, **ended)
                if job.lock is not None:
                    await self.connector.execute_query_async(
                        _NEXT, lock=job.lock, channels=_channel(""), payload=NOTICE
                    )
                return
            except ConnectorException as error:
                log.warning("database_away", error=repr(error.__cause__))
            await asyncio.sleep(AGAIN_AFTER)


def lock_of(lane: Lane) -> str:
    return f"{lane[0]}:{lane[1]}"


def queue_of(kind: str, adapter: str | None = None) -> str:
    """Where lanes of this kind wait: for any process, or for one that has the adapter."""
    return kind if adapter is None else f"{kind}@{adapter}"


def notice_to(kind: str) -> dict[str, str]:
    """What workers of this kind listen for."""
    return {"channel": _channel(queue_of(kind)), "payload": NOTICE}


def _channel(queue: str) -> str:
    (channel,) = get_channel_for_queues([queue])
    return channel
