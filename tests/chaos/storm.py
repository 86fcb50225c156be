"""``make chaos``: whole bots under load are killed, stopped and cut off from their database while their platforms misbehave; then
the platforms' own logs are held against what customers said.

Everything random comes from one seed. It must not look into our tables.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import traffic
from tests.chaos.checker import Findings, Trouble, check, tokens_in
from tests.chaos.fleet import Bot, firstline
from tests.chaos.traffic import TOKENS, Line, Place, Slack, Telegram, speaks_in
from tests.conftest import PostgresServer
from tests.loopback.faults import Fault
from tests.loopback.slack import LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram

HOST = "bot.example.com"
PAST_THE_STALL = (6.0, 9.0)
"""Seconds that a process stands still; after five the others take its work."""
AT_WORK = 0.8
"""How many of those that are killed have at least begun to work."""
DATABASE_AWAY = (1.0, 6.0)
LATENCY = 0.15
"""Seconds that a platform takes to answer: long enough for somebody to die meanwhile."""
PATIENCE = 90.0
"""Seconds without any new reply after which what is missing is given up for lost."""
AFTERMATH = 6.0
"""Seconds after the last reply in which copies may still arrive; a stall and a rescue fit in."""

NO_ANSWER = (Fault(drop=True), Fault(cut=True), Fault(status=502, html=True))
REFUSED = (Fault(status=429, retry_after=1), Fault(status=429, retry_after=2), Fault(status=503), Fault(status=500))
TIME_OUT = Fault(hang=True)

Outage = Callable[[], Any]
"""An asynchronous context in which the database is away."""


@dataclass(frozen=True)
class Plan:
    """How bad it gets. ``time_outs`` are sends that arrive and are never answered: each costs the sender's whole patience."""

    seed: int
    messages: int
    per_chat: int = 12
    kills: int = 16
    pauses: int = 4
    outages: int = 2
    faults: int = 60
    time_outs: int = 4

    @property
    def seconds(self) -> float:
        """For how long customers speak: about as long as the disturbances take."""
        return 4 * self.kills + 4 * self.pauses + 5 * self.outages


SHORT = Plan(seed=0, messages=120, per_chat=6, kills=3, pauses=1, outages=1, faults=12, time_outs=0)


@dataclass
class Report:
    findings: Findings
    seconds: float
    disturbances: Counter[str] = field(default_factory=Counter)
    statuses: Sequence[int] = ()
    """How the processes ended when they were asked to."""
    falls: Sequence[str] = ()
    """What those said at last that ended by themselves."""

    @property
    def problems(self) -> list[str]:
        """All that must not be. A process may end by itself if it says why, as one does that finds no database at its start."""
        return [
            *self.findings.violations,
            *(f"a process ended with {status}" for status in self.statuses if status),
            *(f"a process fell over:\n{said}" for said in self.falls if "error:" not in said),
        ]

    def __str__(self) -> str:
        found = self.findings
        figures = {**found.counts, **self.disturbances}
        lines = [", ".join(f"{name} {figure}" for name, figure in figures.items()) + f"; {self.seconds:.0f} s"]
        summary = {"lost": found.lost, "done twice": found.doubled, "out of order": found.disordered}
        summary |= {"never asked for": found.strays, "left to people": found.left_to_people}
        lines.append(", ".join(f"{name} {len(sentences)}" for name, sentences in summary.items()))
        return "\n".join([*lines, *self.problems])


@dataclass
class Storm:
    """One run. ``folder`` is kept by the caller, so that the bots' logs can be read afterwards."""

    plan: Plan
    folder: Path
    database_url: str
    outage: Outage
    processes: int = 1

    def __post_init__(self) -> None:
        self._chance = random.Random(self.plan.seed)
        self._polling = self.plan.seed % 2 == 0  # else Telegram calls
        self._troubles: list[Trouble] = []
        self._counts: Counter[str] = Counter()
        self._bots: list[Bot] = []

    async def run(self) -> Report:
        """Raises TimeoutError when the platforms cannot hand over their messages."""
        begin = time.monotonic()
        chance = self._chance
        persons = traffic.script(chance, self.plan.messages, self.plan.per_chat, self.plan.seconds)
        traffic.write_intents(self.folder / "intents")
        async with AsyncExitStack() as stack:
            telegram = await stack.enter_async_context(LoopbackTelegram(chats=set(), latency=LATENCY).serve())
            slack = await stack.enter_async_context(
                LoopbackSlack(
                    channels=set(), ack_within=1, patience=2, attempts=10**6, pick=chance.choice, latency=LATENCY
                ).serve()
            )
            settings = self._settings(telegram, slack)
            if not self.database_url.startswith("sqlite"):
                await firstline("db", "upgrade", settings=settings, folder=self.folder)
            self._bots = [
                Bot(f"bot{n}", settings | {"data": str(self.folder / f"bot{n}")}, self.folder)
                for n in range(self.processes)
            ]
            telegram.webhook.reach = _Balanced(chance, self._bots)
            places: list[Place] = [Telegram(telegram), Slack(slack)]
            for bot in self._bots:
                stack.push_async_callback(bot.end)
                await bot.start()
            async with asyncio.TaskGroup() as group:
                for lines in persons:
                    group.create_task(traffic.speak(speaks_in(places, lines[0].person), lines))
                for task in (self._disturb(), self._misbehave(telegram, slack)):
                    group.create_task(task)
            await self._calm(telegram, slack, places, persons)
            statuses = [await bot.end() for bot in self._bots]
            shown = await self._shown_to_people(settings)
        arrivals = [arrival for place in places for arrival in place.arrivals]
        findings = check(traffic.said(places, persons), arrivals, self._troubles, TOKENS, shown)
        self._counts["delivered again"] = sum(line.again is not None for lines in persons for line in lines)
        falls = [said for bot in self._bots for said in bot.fell]
        self._counts["ended by itself"] = len(falls)
        return Report(findings, time.monotonic() - begin, self._counts, statuses, falls)

    def _settings(self, telegram: LoopbackTelegram, slack: LoopbackSlack) -> dict[str, str]:
        return {
            "data": str(self.folder / "bot0"),
            "intents": str(self.folder / "intents"),
            "database_url": self.database_url,
            "files": str(self.folder / "files"),
            "adapters": "telegram,slack",
            "telegram_token": telegram.token,
            "telegram_api_url": telegram.url,
            "telegram_mode": "polling" if self._polling else "webhook",
            "public_url": f"https://{HOST}",
            "slack_bot_token": slack.bot_token,
            "slack_app_token": slack.app_token,
            "slack_api_url": f"{slack.url}/api/",
            "encoder": "none",
            "identify": "never",
            "burst_seconds": "0",
            "log_format": "json",
        }

    # --- what goes wrong

    async def _disturb(self) -> None:
        plan, chance = self.plan, self._chance
        steps: list[Callable[[], Coroutine[Any, Any, None]]] = [
            *[self._kill] * plan.kills,
            *[self._pause] * plan.pauses,
            *[self._cut_off] * plan.outages,
        ]
        chance.shuffle(steps)
        async with asyncio.TaskGroup() as pauses:
            for step in steps:
                await asyncio.sleep(chance.uniform(0.5, 4))
                if step == self._pause and self.processes > 1:
                    pauses.create_task(step())  # the others go on, and are killed meanwhile
                else:
                    await step()

    async def _kill(self) -> None:
        bot = self._victim()
        if self._chance.random() < AT_WORK:
            await bot.begun()
            await asyncio.sleep(self._chance.uniform(0, 2))
        self._troubles.append(Trouble(time.monotonic(), time.monotonic()))
        await bot.kill()
        await bot.start()
        self._counts["kill -9"] += 1

    async def _pause(self) -> None:
        bot = self._victim()
        begin = time.monotonic()
        bot.stop_still()
        await asyncio.sleep(self._chance.uniform(*PAST_THE_STALL))
        bot.go_on()
        self._troubles.append(Trouble(begin, time.monotonic()))
        self._counts["SIGSTOP"] += 1

    async def _cut_off(self) -> None:
        begin = time.monotonic()
        async with self.outage():
            await asyncio.sleep(self._chance.uniform(*DATABASE_AWAY))
        self._troubles.append(Trouble(begin, time.monotonic()))
        self._counts["database away"] += 1

    def _victim(self) -> Bot:
        return self._chance.choice([bot for bot in self._bots if not bot.still] or self._bots)

    async def _misbehave(self, telegram: LoopbackTelegram, slack: LoopbackSlack) -> None:
        plan, chance = self.plan, self._chance
        faults = [chance.choice(NO_ANSWER if chance.random() < 0.4 else REFUSED) for _ in range(plan.faults)]
        faults += [TIME_OUT] * plan.time_outs
        chance.shuffle(faults)
        for fault in faults:
            await asyncio.sleep(plan.seconds / len(faults))
            if chance.random() < 0.5:
                receiving = chance.random() < 0.2 and fault != TIME_OUT
                telegram.fail("getUpdates" if receiving and self._polling else "sendMessage", fault)
            else:
                slack.fail("chat.postMessage", fault)
            self._counts["platform faults"] += 1

    # --- what comes after it

    async def _calm(
        self,
        telegram: LoopbackTelegram,
        slack: LoopbackSlack,
        places: Sequence[Place],
        persons: Sequence[Sequence[Line]],
    ) -> None:
        """Wait until everything has been answered, or nothing happens any more."""
        telegram.faults.clear()
        slack.faults.clear()
        arrived, since = 0, time.monotonic()
        while time.monotonic() - since < PATIENCE:
            now = sum(len(place.arrivals) for place in places)
            if now > arrived:
                arrived, since = now, time.monotonic()
            arrivals = [arrival for place in places for arrival in place.arrivals]
            said = traffic.said(places, persons)
            if all(message.accepted for message in said) and not check(said, arrivals, (), TOKENS).lost:
                break
            await asyncio.sleep(1)
        async with asyncio.timeout(PATIENCE):
            await slack.settle()
            while telegram.waiting:
                await asyncio.sleep(0.1)
        await asyncio.sleep(AFTERMATH)

    async def _shown_to_people(self, settings: Mapping[str, str]) -> set[tuple[str, str]]:
        listed = json.loads(await firstline("dead", "list", "--format", "json", settings=settings, folder=self.folder))
        return {
            (row["chat"].split(":")[-1], token)
            for row in listed
            if row["state"] == "uncertain"
            for token in tokens_in(row["text"], TOKENS)
        }


class _Balanced(dict[str, str]):
    """Where the Internet leads: to any of the processes, as behind a load balancer."""

    def __init__(self, chance: random.Random, bots: Sequence[Bot]) -> None:
        super().__init__({HOST: ""})
        self._chance, self._bots = chance, bots

    def __getitem__(self, host: str) -> str:
        return f"http://127.0.0.1:{self._chance.choice(self._bots).port}"


# --- the two databases


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Another program writes to the SQLite file, and takes its time."""
    connection = await asyncio.to_thread(sqlite3.connect, path, timeout=60, check_same_thread=False)
    try:
        await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
        yield
        connection.rollback()
    finally:
        connection.close()


@asynccontextmanager
async def crashed(server: PostgresServer) -> AsyncIterator[None]:
    await asyncio.to_thread(server.crash)
    yield
    await asyncio.to_thread(server.start)


def on_sqlite(plan: Plan, folder: Path) -> Storm:
    file = folder / "firstline.db"
    return Storm(plan, folder, f"sqlite:///{file}?timeout=1", lambda: locked(file))


def on_postgresql(plan: Plan, folder: Path, server: PostgresServer) -> Storm:
    """Two processes. Telegram calls them through a load balancer, or one of them at a time fetches."""
    return Storm(plan, folder, server.url(), lambda: crashed(server), processes=2)


@contextmanager
def _storm(engine: str, plan: Plan, folder: Path) -> Iterator[Storm]:
    folder.mkdir()
    if engine == "sqlite":
        yield on_sqlite(plan, folder)
        return
    server = PostgresServer()
    try:
        yield on_postgresql(plan, folder, server)
    finally:
        server.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Storms over whole bots; exit status 1 when anything was lost or done twice."
    )
    parser.add_argument("--seed", type=int, default=None, help="of everything that is random; a new one if not given")
    parser.add_argument("--messages", type=int, default=1000, help="for each database")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append", help="one of the two")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # senders die in the middle of their requests
    folder = Path(tempfile.mkdtemp(prefix="firstline-chaos-"))
    print(f"seed {seed}, logs in {folder}, Python {platform.python_version()}", flush=True)
    bad = False
    for engine in arguments.engine or ["sqlite", "postgresql"]:
        with _storm(engine, Plan(seed, arguments.messages), folder / engine) as storm:
            report = asyncio.run(storm.run())
        print(f"{engine}: {report}", flush=True)
        bad |= bool(report.problems)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
