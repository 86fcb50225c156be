"""``make bench``: the whole way of a message under load, from one HTTP request to another: real processes of ``firstline run``,
strict platforms on the loopback interface, the shipped catalogue with its classifier, settings as they are by default.

Figures are printed and never asserted. It must not look into the bot but for what waits in its tables.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bot.bootstrap import open_store
from bot.config import Settings
from tests.benchmarks.machine import Cost, Samples, cost, described
from tests.benchmarks.people import Crowd, Person, Slack, Telegram
from tests.chaos.fleet import Bot, firstline
from tests.conftest import PostgresServer
from tests.loopback.slack import LoopbackSlack
from tests.loopback.slack_http import SECRET
from tests.loopback.telegram import LoopbackTelegram

HOST = "bot.example.com"
MESSAGES = Path(__file__).parents[1] / "nlu_heldout" / "messages.jsonl"
MODELS = Path(__file__).parents[2] / "data" / "models"
"""What ``make run`` has trained is not trained again."""
TELEGRAM = 0.2
"""Share of the messages; one process may send 30 a second there in all, so says Telegram."""
CALLS = 40
"""Calls that a platform has open to us at a time for whoever floods: as many as Telegram makes by itself (max_connections)."""
WARM_UP = 5.0
SAMPLE_EVERY = 10.0


@dataclass(frozen=True)
class Plan:
    """``flood`` messages a second of one person besides, or ``queue`` of one person at once, both in the second half."""

    engine: str
    seconds: float
    rate: float
    processes: int
    seed: int
    flood: float = 0.0
    queue: int = 0
    profile: bool = False


@dataclass
class Figures:
    """Seconds, messages and CPU seconds of one run."""

    said: int = 0
    answered: int = 0
    lost: Sequence[str] = ()
    speaking: float = 0.0
    drain: float = 0.0
    acknowledged: Sequence[float] = ()
    replies: Sequence[tuple[float, float]] = ()
    halfway: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    statuses: Sequence[int] = ()

    def lines(self, plan: Plan) -> Iterator[str]:
        yield (
            f"{self.said} messages in {self.speaking:.0f} s ({self.said / self.speaking:.1f}/s), {self.answered} answered, "
            f"{len(self.lost)} lost; nothing left {self.drain:.1f} s after the last one: "
            f"{self.answered / (self.speaking + self.drain):.1f}/s in all"
        )
        yield f"acknowledged after, ms: {_spread(self.acknowledged)}"
        yield f"answered after, ms: {_spread([took for _, took in self.replies])}"
        if plan.flood or plan.queue:
            for name, late in (("before", False), ("during", True)):
                took = [took for said, took in self.replies if (said >= self.halfway) is late]
                yield f"answered after, ms, {name} the flood: {_spread(took)}"
        each = {name: 1000 * seconds / self.said for name, seconds in self.cpu.items()}
        yield "CPU-ms a message: " + ", ".join(f"{name} {figure:.1f}" for name, figure in each.items())
        if self.shares:
            yield "of the bot's: " + ", ".join(f"{step} {share:.0%}" for step, share in self.shares.items())
        yield "memory of the bot, MB: " + " ".join(f"{each:.0f}" for each in self.memory)


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return f"p50 {p50:.0f}, p99 {p99:.0f}, most {max(seconds) * 1000:.0f}"


class Balanced(dict[str, str]):
    """Whatever calls the bot gets to one of the processes, another one each time."""

    def __init__(self, bots: Sequence[Bot]) -> None:
        super().__init__({HOST: ""})
        self._turn = itertools.cycle(f"http://127.0.0.1:{bot.port}" for bot in bots)

    def __getitem__(self, host: str) -> str:
        return next(self._turn)


async def measured(plan: Plan, folder: Path, database_url: str, database: PostgresServer | None) -> Figures:
    figures = Figures()
    chance = random.Random(plan.seed)
    async with AsyncExitStack() as stack:
        telegram = await stack.enter_async_context(LoopbackTelegram(chats=set()).serve())
        slack = await stack.enter_async_context(LoopbackSlack(channels=set(), socket_mode=False).serve())
        settings = _settings(folder, database_url, telegram, slack)
        if database is not None:
            await firstline("db", "upgrade", settings=settings, folder=folder)
        bots = [
            Bot(f"bot{number}", settings | {"data": str(_data(folder, number))}, folder)
            for number in range(plan.processes)
        ]
        reach = Balanced(bots)
        telegram.webhook.reach = reach
        over_slack = Slack(slack, lambda: f"{reach[HOST]}/slack/events")
        stack.push_async_callback(over_slack.close)
        crowd = Crowd([Telegram(telegram), over_slack], [TELEGRAM, 1 - TELEGRAM], _texts(chance), chance)
        for bot in bots:
            stack.push_async_callback(bot.end)
            await bot.start()
        for bot in bots:
            await bot.begun()
        while not telegram.webhook.url:
            await asyncio.sleep(0.1)
        await crowd.speak(2, WARM_UP)  # the encoder is loaded with the first message
        await crowd.answered()
        _begin(crowd)
        pids = [bot.pid for bot in bots]
        before = _costs(pids, database)
        samples = Samples(pids[0], folder / "samples.txt") if plan.profile else None
        begin = time.monotonic()
        async with _watched(pids, figures):
            figures.halfway = begin + plan.seconds / 2
            async with asyncio.TaskGroup() as group:
                group.create_task(crowd.speak(plan.rate, plan.seconds))
                if plan.flood or plan.queue:
                    group.create_task(_flood(plan, over_slack, crowd, crowd.somebody_new(over_slack)))
            figures.speaking = time.monotonic() - begin
            figures.drain = await _drained(bots[0].settings)
        figures.shares = samples.stop() if samples is not None else {}
        after = _costs(pids, database)
        await crowd.answered()
        figures.statuses = [await bot.end() for bot in bots]
    figures.cpu = {name: after[name].cpu - before[name].cpu for name in after}
    figures.said, figures.answered, figures.lost = crowd.said, len(crowd.replies), crowd.lost
    figures.acknowledged = [took for place in crowd.places for took in place.took]
    figures.replies = crowd.replies
    return figures


def _begin(crowd: Crowd) -> None:
    """What was only to warm up does not count."""
    crowd.said = 0
    crowd.replies.clear()
    for place in crowd.places:
        place.took.clear()


def _data(folder: Path, number: int) -> Path:
    data = folder / f"bot{number}"
    data.mkdir()
    if MODELS.exists():
        shutil.copytree(MODELS, data / "models")
    return data


def _texts(chance: random.Random) -> Iterator[str]:
    """What nobody has trained on, without end and in any order."""
    texts = [json.loads(line)["text"] for line in MESSAGES.read_text("utf-8").splitlines()]
    while True:
        yield from chance.sample(texts, len(texts))


def _settings(folder: Path, database_url: str, telegram: LoopbackTelegram, slack: LoopbackSlack) -> dict[str, str]:
    return {
        "database_url": database_url,
        "files": str(folder / "files"),
        "adapters": "telegram,slack",
        "telegram_token": telegram.token,
        "telegram_api_url": telegram.url,
        "telegram_mode": "webhook",
        "public_url": f"https://{HOST}",
        "slack_bot_token": slack.bot_token,
        "slack_signing_secret": SECRET,
        "slack_mode": "http",
        "slack_api_url": f"{slack.url}/api/",
        "log_format": "json",
    }


def _costs(pids: Sequence[int], database: PostgresServer | None) -> dict[str, Cost]:
    found = {"bot": cost(pids), "load and platforms": cost([os.getpid()])}
    servers = cost([database.pid]) if database is not None else Cost(0, 0)
    own = found["load and platforms"]
    # The bots are children of this process, the server of the database has none but its own.
    found["load and platforms"] = Cost(own.cpu - found["bot"].cpu, own.memory)
    return found | ({"database server": servers} if database is not None else {})


@asynccontextmanager
async def _watched(pids: Sequence[int], figures: Figures) -> AsyncIterator[None]:
    async def look() -> None:
        while True:
            figures.memory.append(cost(pids).memory)
            await asyncio.sleep(SAMPLE_EVERY)

    watching = asyncio.create_task(look())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _drained(settings: Mapping[str, str]) -> float:
    """Seconds until nothing waits in the tables."""
    begin = time.monotonic()
    ours = Settings(data=Path(settings["data"]), database_url=settings["database_url"])
    async with open_store(ours) as store:
        while True:
            async with store.snapshot() as session:
                if not await session.inbox.waiting() and not await session.outbox.waiting():
                    return time.monotonic() - begin
            await asyncio.sleep(0.1)


async def _flood(plan: Plan, place: Slack, crowd: Crowd, person: Person) -> None:
    """One person who does not wait for replies."""
    await asyncio.sleep(plan.seconds / 2)
    count = plan.queue or int(plan.flood * plan.seconds / 2)
    calls = asyncio.Semaphore(CALLS)

    async def say(words: str) -> None:
        async with calls:
            await place.say(person, words)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            person.said += 1
            group.create_task(say(next(crowd.texts)))
            if plan.flood:
                await asyncio.sleep(1 / plan.flood)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures whole bots under load.")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append", help="one of the two")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=None, help="messages a second; 60, or 100 on PostgreSQL")
    parser.add_argument("--processes", type=int, default=2, help="on PostgreSQL")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flood", type=float, default=0, help="messages a second of one person, in the second half")
    parser.add_argument("--queue", type=int, default=0, help="messages of one person at once, halfway")
    parser.add_argument("--profile", action="store_true", help="samples of the first process; costs CPU itself")
    asked = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    print(described(), flush=True)
    for engine in asked.engine or ["sqlite", "postgresql"]:
        one = engine == "sqlite"
        plan = Plan(
            engine,
            asked.seconds,
            asked.rate or (60 if one else 100),
            1 if one else asked.processes,
            asked.seed,
            asked.flood,
            asked.queue,
            asked.profile,
        )
        folder = Path(tempfile.mkdtemp(prefix="firstline-bench-"))
        server = None if one else PostgresServer()
        try:
            url = f"sqlite:///{folder / 'firstline.db'}" if server is None else server.url()
            figures = asyncio.run(measured(plan, folder, url, server))
        finally:
            if server is not None:
                server.close()
        print(f"\n{engine}, {plan.processes} process(es), {plan.rate:.0f}/s asked for, logs in {folder}")
        for line in figures.lines(plan):
            print(line, flush=True)
        for sentence in figures.lost[:5]:
            print(f"  {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
