"""The joined application at work: started, watched over, stopped.

It must not know how its parts were chosen, nor what messages mean.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from bot import web
from bot.config import ALL_ROLES, Role
from bot.desk.receive import Receiver
from bot.desk.staff import Desk
from bot.desk.understand import Understanding
from bot.engine import AnyEngine
from bot.engine.ending import ended
from bot.errors import DatabaseError, SettingsError
from bot.logs import told
from bot.operations.status import RUNS, WAITS, Status
from bot.operations.watching import Watching
from bot.ports import ChatAdapter, Exclusive, Leadership
from bot.reload import KnowledgeBase
from bot.storage.store import Store

log = structlog.get_logger(__name__)

RESTART_AFTER = (1.0, 5.0, 30.0)
"""Seconds before an adapter that fell over is started again; the last one is for all further times."""


GRACE = 15.0
"""Seconds that the intake may take to come to its end, until it is told once more."""

HEARTBEAT = 10.0
"""Seconds between two signs of life."""


async def _nothing() -> None:
    """Nothing has to be done first."""


@dataclass
class App:
    """Everything joined. ``adapters`` may be filled until ``run``; ``web`` is where routes are served, if they offer any.

    ``begin`` is done once before the first look at what waits. ``status`` says how its parts stand. All adapters are there to
    render and to send with; ``roles`` say whether messages are taken from them, too.
    """

    store: Store
    engine: AnyEngine
    leadership: Leadership
    understanding: Understanding
    receiver: Receiver
    desk: Desk
    knowledge: KnowledgeBase
    web: tuple[str, int]
    adapters: dict[str, ChatAdapter] = field(default_factory=dict)
    status: Status = field(default_factory=Status)
    watching: Watching = field(default_factory=Watching)
    roles: frozenset[Role] = ALL_ROLES
    begin: Callable[[], Awaitable[None]] = _nothing

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """The worker, the delivery and the sweeper at work for the length of the block."""
        block = asyncio.current_task()
        assert block is not None

        def fell(task: asyncio.Task[None]) -> None:
            # These two guard themselves against every fault of their work; should one end all the same, nothing would be
            # answered any more, so the process must not go on as if it were well.
            if not task.cancelled() and task.exception() is not None:
                log.critical("work_stopped", error=repr(task.exception()))
                block.cancel()

        # In the order in which they end: lanes under way may still ask to have something understood.
        tasks = [asyncio.create_task(self.engine.run()), asyncio.create_task(self.understanding.run())]
        for task in tasks:
            task.add_done_callback(fell)
        try:
            await self.begin()
            await self.engine.sweep()
            self.status.working = True
            yield
        finally:
            self.status.working = False
            for task in tasks:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def beat(self, path: Path) -> None:
        """Show that the event loop turns and the database answers, for `firstline health`, until cancelled."""
        while True:
            try:
                await self.store.ping()
            except DatabaseError as error:
                log.error("database_away", error=str(error))
            else:
                await asyncio.to_thread(path.touch)
            await asyncio.sleep(HEARTBEAT)

    async def run(self, heartbeat: Path) -> None:
        """Run until a signal or a cancellation asks to stop: first nothing more is taken, then what has begun is finished.

        Raises SettingsError.
        """
        heartbeat.parent.mkdir(parents=True, exist_ok=True)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signal_, stop.set)
        reloads: set[asyncio.Task[bool]] = set()  # keeps them from being collected

        def reload() -> None:
            task = loop.create_task(self.knowledge.reload())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload if "worker" in self.roles else lambda: None)
        log.info(
            "started",
            roles=sorted(self.roles),
            adapters=sorted(self.adapters),
            catalogue=self.knowledge.in_force.version,
        )
        taken_from = tuple(self.adapters.values()) if "intake" in self.roles else ()
        self.status.intake.update({adapter.name: "has not begun" for adapter in taken_from})
        routes = web.offered(taken_from)
        listening = web.bound(*self.web) if routes else None
        async with self._told(), self.working(), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep_running(adapter)) for adapter in taken_from]
            tasks.append(group.create_task(self.beat(heartbeat)))
            if "worker" in self.roles:  # the others speak no texts but what was rendered, and a home tab
                tasks.append(group.create_task(self.knowledge.watch()))
            if listening is not None:
                tasks.append(group.create_task(web.serve(routes, listening)))
            try:
                await stop.wait()
            finally:
                self.status.stopping = True
                log.info("stopping")
                await ended(tasks, within=GRACE)

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """Operators are answered from before the first message is taken until the last one is done."""
        if self.watching.address is None:
            yield
            return
        serving = asyncio.create_task(
            web.serve(self.watching.routes, web.bound(*self.watching.address, setting="FIRSTLINE_OPERATIONS"))
        )
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def _take(self, adapter: ChatAdapter) -> None:
        self.status.intake[adapter.name] = RUNS
        try:
            await adapter.run(self.receiver)
        except BaseException:  # also the lead is lost in this way
            self.status.intake[adapter.name] = WAITS
            raise

    async def _keep_running(self, adapter: ChatAdapter) -> None:
        """An adapter that falls over is started again: one platform's trouble must not stop the others."""
        falls = 0
        while True:
            self.status.intake[adapter.name] = WAITS
            try:
                if isinstance(adapter, Exclusive) and adapter.exclusive:
                    await self.leadership.lead(adapter.name, partial(self._take, adapter))
                else:
                    await self._take(adapter)
                return
            except SettingsError as error:
                log.error("adapter_cannot_run", adapter=adapter.name, error=str(error))
                self.status.intake[adapter.name] = f"cannot run: {error}"
                return
            except Exception as error:
                delay = RESTART_AFTER[min(falls, len(RESTART_AFTER) - 1)]
                falls += 1
                log.error("adapter_fell", adapter=adapter.name, error=told(error), restart_in_seconds=delay)
                self.status.intake[adapter.name] = f"fell over ({type(error).__name__}), is started again"
                await asyncio.sleep(delay)
