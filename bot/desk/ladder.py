"""When staff are reminded of a ticket that nobody takes, each time louder. Pure: it counts the time in which somebody is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.agreement.calendar import Hours

REMIND, ESCALATE = "remind", "escalate"
"""The kinds of timers: whoever is asked is reminded; then it concerns everybody."""

REMINDED, RAISED, SECOND_CHAT = 1, 2, 3
"""The rungs: a reminder; a higher priority; another chat is told."""


@dataclass(frozen=True, slots=True)
class Rung:
    step: int
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ladder:
    """How long a ticket may wait before each rung, in service hours."""

    remind: timedelta = timedelta(minutes=15)
    raise_: timedelta = timedelta(hours=1)
    second: timedelta = timedelta(hours=2)

    def rungs(self, since: datetime, hours: Hours | None) -> Iterator[Rung]:
        """Where no hours are known the clock never stops."""
        for step, wait in ((REMINDED, self.remind), (RAISED, self.raise_), (SECOND_CHAT, self.second)):
            due = hours.after(since, wait) if hours is not None else since + wait
            yield Rung(step, REMIND if step == REMINDED else ESCALATE, due or since + wait)
