"""The in-process engine: one process, nothing to install. Lanes run one at a time, many lanes side by side.

It remembers only what is worth forgetting: at start, and every few seconds, it asks the tables what waits. It must not know what
the work is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from bot.engine.ending import heed
from bot.errors import ElsewhereError
from bot.logs import told
from bot.ports import Transaction

Handler = Callable[[str], Awaitable[timedelta | None]]
"""Does what waits in a lane; returns when to look again, or None when nothing is left.

Raises ElsewhereError, with nothing done, when this process cannot do it.
"""

Sweep = Callable[[], Awaitable[Iterable[tuple[str, str]]]]
"""The (kind, lane) pairs that have something waiting."""

SWEEP_EVERY = timedelta(seconds=5)
AFTER_A_FAULT = timedelta(seconds=1)
ELSEWHERE = timedelta(minutes=5)
"""Until a lane is looked at again for which there is no adapter: it comes with another start, or runs in another process."""
GRACE = timedelta(seconds=10)

log = structlog.get_logger(__name__)

Lane = tuple[str, str]


class OnlyProcess:
    """Leads always: nothing else works on an embedded database."""

    async def lead(self, _name: str, work: Callable[[], Awaitable[None]]) -> None:
        await work()


class EmbeddedEngine:
    def __init__(
        self,
        handlers: Mapping[str, Handler],
        sweep: Sweep,
        *,
        concurrency: int = 64,
        sweep_every: timedelta = SWEEP_EVERY,
    ) -> None:
        """``concurrency`` is how many lanes of one kind run at the same time."""
        self._handlers = handlers
        self._sweep = sweep
        self._sweep_every = sweep_every
        self._slots = {kind: asyncio.Semaphore(concurrency) for kind in handlers}
        self._running: dict[Lane, asyncio.Task[None]] = {}
        self._again: set[Lane] = set()
        self._timers: dict[Lane, asyncio.TimerHandle] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._stopping = False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Nothing has to be opened here."""
        yield

    async def wake(self, transaction: Transaction, kind: str, lane: str, delay: timedelta = timedelta()) -> None:
        transaction.after_commit(lambda: self._soon((kind, lane), delay))

    async def run(self) -> None:
        """Sweep at once and then regularly, until cancelled; lanes under way may then finish, for ten seconds."""
        self._stopping = False
        try:
            while True:
                try:
                    await self.sweep()
                except Exception as error:
                    log.warning("sweep_failed", error=repr(error))
                heed()
                await asyncio.sleep(self._sweep_every.total_seconds())
        finally:
            await self._stop()

    async def sweep(self) -> None:
        """Wake whatever waits in the tables."""
        for kind, lane in await self._sweep():
            if (kind, lane) not in self._timers:
                self._soon((kind, lane), timedelta())

    async def settled(self) -> None:
        """Wait until nothing runs and nothing is due at once; work that is to run later does not count."""
        await self._quiet.wait()

    def _soon(self, lane: Lane, delay: timedelta) -> None:
        if self._stopping:
            return
        if delay > timedelta():
            self._later(lane, delay)
        elif lane in self._running:
            self._again.add(lane)
        else:
            if timer := self._timers.pop(lane, None):
                timer.cancel()
            self._quiet.clear()
            task = asyncio.create_task(self._work(lane), name=f"{lane[0]}:{lane[1]}")
            self._running[lane] = task
            task.add_done_callback(lambda _: self._done(lane))

    def _later(self, lane: Lane, delay: timedelta) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + delay.total_seconds()
        timer = self._timers.get(lane)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[lane] = loop.call_at(due, self._ring, lane)

    def _ring(self, lane: Lane) -> None:
        self._timers.pop(lane, None)
        self._soon(lane, timedelta())

    async def _work(self, lane: Lane) -> None:
        kind, name = lane
        async with self._slots[kind]:
            try:
                delay = await self._handlers[kind](name)
            except ElsewhereError:
                delay = ELSEWHERE
            except Exception as error:
                log.warning("lane_failed", kind=kind, lane=name, error=told(error))
                delay = AFTER_A_FAULT
        if delay is None:
            return
        if delay > timedelta():
            self._later(lane, delay)
        else:
            self._again.add(lane)

    def _done(self, lane: Lane) -> None:
        del self._running[lane]
        if lane in self._again:
            self._again.discard(lane)
            self._soon(lane, timedelta())
        elif not self._running:
            self._quiet.set()

    async def _stop(self) -> None:
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._again.clear()
        tasks = list(self._running.values())
        if tasks:
            # What has begun may finish: a send that is cut off is one of which nobody knows whether it arrived.
            await asyncio.wait(tasks, timeout=GRACE.total_seconds())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
