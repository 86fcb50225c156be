"""How the parts of this process stand, written by whoever runs them and read by the probes. It must not know what they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bot.errors import DatabaseError
from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.figures import Queue
from bot.storage.store import Store

RUNS = "runs"
WAITS = "waits for its turn"
"""Another process takes the messages, as only one may; when that one ends, this one does. It is as ready as one that runs."""


@dataclass
class Status:
    """``intake`` says of each adapter ``RUNS``, ``WAITS`` or, in words, why it takes nothing; ``working``: turns, sends, timers."""

    intake: dict[str, str] = field(default_factory=dict)
    working: bool = False
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What all processes have before them, see ``storage.figures``."""

    queues: tuple[Queue, ...]
    tickets: dict[tuple[str, str], int]


@dataclass(frozen=True)
class Insight:
    """What this process knows of itself, and of the database that it shares with others."""

    status: Status
    database: Database
    clock: Callable[[], datetime]

    async def unready(self) -> dict[str, str]:
        """By part, what keeps this process from taking and answering messages, in words; nothing when it is ready."""
        found = {f"intake of {name}": said for name, said in self.status.intake.items() if said not in (RUNS, WAITS)}
        if self.status.stopping:
            found["process"] = "is stopping"
        elif not self.status.working:
            found["engine"] = "does not run"
        try:
            await migrate.require_current(self.database)
        except DatabaseError as error:
            found["database"] = str(error)
        return found

    async def figures(self) -> Figures:
        """Raises DatabaseError."""
        async with Store(self.database).snapshot(aside=True) as session:
            return Figures(await session.figures.queues(self.clock()), dict(await session.figures.tickets()))
