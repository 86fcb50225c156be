"""What goes wrong in a storm: processes are killed and stand still, the database goes away, the platforms misbehave.

It must not know what is said meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.checker import Trouble
from tests.chaos.fleet import Bot
from tests.loopback.faults import Fault
from tests.loopback.slack import LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram

PAST_THE_STALL = (6.0, 9.0)
"""Seconds that a process stands still; after five the others take its work."""
AT_WORK = 0.8
"""How many of those that are killed have at least begun to work."""
DATABASE_AWAY = (1.0, 6.0)

NO_ANSWER = (Fault(drop=True), Fault(cut=True), Fault(status=502, html=True))
REFUSED = (Fault(status=429, retry_after=1), Fault(status=429, retry_after=2), Fault(status=503), Fault(status=500))
TIME_OUT = Fault(hang=True)
BESIDES = 0.25
"""How many of the faults meet something else than a plain message."""
TELEGRAM_BESIDES = ("getFile", "download", "sendDocument", "createForumTopic", "getChatMember", "setMessageReaction")
SLACK_BESIDES = ("files.info", "download", "upload", "files.completeUploadExternal", "reactions.add", "chat.update")
STATUS_ONLY = frozenset({"upload", "download"})
"""What can only be refused there: a download that is cut off has tests of its own."""

Outage = Callable[[], Any]
"""An asynchronous context in which the database is away."""


@dataclass(frozen=True)
class Plan:
    """How bad it gets. ``time_outs`` are sends that arrive and are never answered: each costs the sender's whole patience.

    ``latency``: seconds that a platform takes to answer, long enough for somebody to die meanwhile.
    """

    seed: int
    messages: int
    per_chat: int = 12
    kills: int = 16
    pauses: int = 4
    outages: int = 2
    faults: int = 60
    time_outs: int = 4
    latency: float = 0.15

    @property
    def seconds(self) -> float:
        """For how long customers speak: about as long as the disturbances take."""
        return 4 * self.kills + 4 * self.pauses + 5 * self.outages


SHORT = Plan(seed=0, messages=120, per_chat=8, kills=3, pauses=1, outages=1, faults=12, time_outs=0, latency=0.1)


@dataclass
class Disturbances:
    """``troubles`` and ``counts`` are what has gone wrong so far. ``polling``: Telegram is asked, else it calls."""

    plan: Plan
    chance: random.Random
    bots: Sequence[Bot]
    outage: Outage
    polling: bool
    troubles: list[Trouble] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    async def strike(self) -> None:
        """Everything that happens to processes and to the database, one after the other, in an order of chance."""
        plan, chance = self.plan, self.chance
        steps: list[Callable[[], Coroutine[Any, Any, None]]] = [
            *[self._kill] * plan.kills,
            *[self._pause] * plan.pauses,
            *[self._cut_off] * plan.outages,
        ]
        chance.shuffle(steps)
        async with asyncio.TaskGroup() as pauses:
            for step in steps:
                await asyncio.sleep(chance.uniform(0.5, 4))
                if step == self._pause and len(self.bots) > 1:
                    pauses.create_task(step())  # the others go on, and are killed meanwhile
                else:
                    await step()

    async def _kill(self) -> None:
        bot = self._victim()
        if self.chance.random() < AT_WORK:
            await bot.begun()
            await asyncio.sleep(self.chance.uniform(0, 2))
        self.troubles.append(Trouble(time.monotonic(), time.monotonic()))
        await bot.kill()
        await bot.start()
        self.counts["kill -9"] += 1

    async def _pause(self) -> None:
        bot = self._victim()
        begin = time.monotonic()
        bot.stop_still()
        await asyncio.sleep(self.chance.uniform(*PAST_THE_STALL))
        bot.go_on()
        self.troubles.append(Trouble(begin, time.monotonic(), stood_still=True))
        self.counts["SIGSTOP"] += 1

    async def _cut_off(self) -> None:
        begin = time.monotonic()
        async with self.outage():
            await asyncio.sleep(self.chance.uniform(*DATABASE_AWAY))
        self.troubles.append(Trouble(begin, time.monotonic()))
        self.counts["database away"] += 1

    def _victim(self) -> Bot:
        return self.chance.choice([bot for bot in self.bots if not bot.still] or self.bots)

    async def misbehave(self, telegram: LoopbackTelegram, slack: LoopbackSlack) -> None:
        """The faults of the platforms, spread over the time in which customers speak."""
        plan, chance = self.plan, self.chance
        faults = [chance.choice(NO_ANSWER if chance.random() < 0.4 else REFUSED) for _ in range(plan.faults)]
        faults += [TIME_OUT] * plan.time_outs
        chance.shuffle(faults)
        for fault in faults:
            await asyncio.sleep(plan.seconds / len(faults))
            besides = chance.random() < BESIDES and fault != TIME_OUT
            if chance.random() < 0.5:
                receiving = chance.random() < 0.2 and fault != TIME_OUT
                message = "getUpdates" if receiving and self.polling else "sendMessage"
                _fail(telegram.fail, chance.choice(TELEGRAM_BESIDES) if besides else message, fault)
            else:
                _fail(slack.fail, chance.choice(SLACK_BESIDES) if besides else "chat.postMessage", fault)
            self.counts["platform faults"] += 1


def _fail(platform: Callable[[str, Fault], None], method: str, fault: Fault) -> None:
    platform(method, Fault(status=503) if method in STATUS_ONLY and not fault.status else fault)
