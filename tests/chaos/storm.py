"""``make chaos``: whole bots under load are killed, stopped and cut off from their database while their platforms misbehave; then
the platforms' own logs are held against what customers and staff said.

Everything random comes from one seed. It must not look into our tables.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import engines, traffic
from tests.chaos.checker import Findings, Trouble
from tests.chaos.disturb import Disturbances, Plan
from tests.chaos.engines import Engine
from tests.chaos.fleet import HURRIED, Bot, firstline
from tests.chaos.people import Channel, Group
from tests.chaos.scene import Scene, shifts
from tests.chaos.traffic import Place, Slack, Telegram, speaks_in
from tests.loopback.slack import LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram

HOST = "bot.example.com"
PATIENCE = 90.0
"""Seconds without any new reply after which what is missing is given up for lost."""
AFTERMATH = 6.0
"""Seconds after the last reply in which copies may still arrive; a stall and a rescue fit in."""


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
        summary |= {"never asked for": found.strays, "for staff alone": found.leaked}
        summary |= {"talked over a person": found.talked_over, "left to people": found.left_to_people}
        lines.append(", ".join(f"{name} {len(sentences)}" for name, sentences in summary.items()))
        return "\n".join([*lines, *self.problems])


@dataclass
class Storm:
    """One run. ``folder`` is kept by the caller, so that the bots' logs can be read afterwards.

    With an even seed Telegram is asked, with an odd one it calls; staff sit on Telegram with every other pair of seeds, else on
    Slack, and their customers on both.
    """

    plan: Plan
    folder: Path
    engine: Engine

    def __post_init__(self) -> None:
        self._chance = random.Random(self.plan.seed)
        self._polling = self.plan.seed % 2 == 0

    async def run(self) -> Report:
        """Raises TimeoutError when the platforms cannot hand over their messages."""
        begin = time.monotonic()
        chance = self._chance
        persons = traffic.script(chance, self.plan.messages, self.plan.per_chat, self.plan.seconds)
        traffic.write_intents(self.folder / "intents")
        async with AsyncExitStack() as stack:
            telegram = await stack.enter_async_context(LoopbackTelegram(chats=set(), latency=self.plan.latency).serve())
            slack = await stack.enter_async_context(
                LoopbackSlack(
                    channels=set(),
                    ack_within=1,
                    patience=2,
                    attempts=10**6,
                    pick=chance.choice,
                    latency=self.plan.latency,
                ).serve()
            )
            room = Group(telegram) if self.plan.seed // 2 % 2 == 0 else Channel(slack)
            places: list[Place] = [Telegram(telegram), Slack(slack)]
            scene = Scene(places, persons, room, shifts(chance, places, persons, room))
            settings = self._settings(telegram, slack, room.setting)
            if self.engine.processes > 1:
                await firstline("db", "upgrade", settings=settings, folder=self.folder)
            bots = [
                Bot(f"bot{n}", settings | {"data": str(self.folder / f"bot{n}")}, self.folder, HURRIED)
                for n in range(self.engine.processes)
            ]
            telegram.webhook.reach = _Balanced(chance, bots)
            for bot in bots:
                stack.push_async_callback(bot.end)
                await bot.start()
            wrong = Disturbances(self.plan, chance, bots, self.engine.outage, self._polling)
            async with asyncio.TaskGroup() as group:
                for lines in persons:
                    group.create_task(traffic.speak(speaks_in(places, lines[0].person), lines))
                for task in (wrong.strike(), wrong.misbehave(telegram, slack), *(s.work() for s in scene.shifts)):
                    group.create_task(task)
            await self._calm(telegram, slack, scene, wrong.troubles)
            statuses = [await bot.end() for bot in bots]
            unsure = await self._unsure(settings)
        findings = scene.findings(wrong.troubles, unsure)
        falls = [said for bot in bots for said in bot.fell]
        wrong.counts["delivered again"] = sum(line.again is not None for lines in persons for line in lines)
        wrong.counts["ended by itself"] = len(falls)
        return Report(findings, time.monotonic() - begin, wrong.counts, statuses, falls)

    def _settings(self, telegram: LoopbackTelegram, slack: LoopbackSlack, staff_chat: str) -> dict[str, str]:
        return {
            "data": str(self.folder / "bot0"),
            "intents": str(self.folder / "intents"),
            "database_url": self.engine.url,
            "files": str(self.folder / "files"),
            "adapters": "telegram,slack",
            "telegram_token": telegram.token,
            "telegram_api_url": telegram.url,
            "telegram_mode": "polling" if self._polling else "webhook",
            "public_url": f"https://{HOST}",
            "slack_bot_token": slack.bot_token,
            "slack_app_token": slack.app_token,
            "slack_api_url": f"{slack.url}/api/",
            "staff_chat": staff_chat,
            "undo_seconds": "1",
            "encoder": "none",
            "identify": "never",
            "burst_seconds": "0",
            "log_format": "json",
        }

    async def _calm(
        self, telegram: LoopbackTelegram, slack: LoopbackSlack, scene: Scene, troubles: Sequence[Trouble]
    ) -> None:
        """Wait until everything has been answered, or nothing happens any more, or waiting mends nothing any more."""
        telegram.faults.clear()
        slack.faults.clear()
        arrived, since = 0, time.monotonic()
        while time.monotonic() - since < PATIENCE:
            now = len(scene.arrivals)
            if now > arrived:
                arrived, since = now, time.monotonic()
            found = scene.findings(troubles)
            beyond_help = found.doubled or found.leaked or found.talked_over
            if scene.all_accepted and (beyond_help or not found.lost):
                break
            await asyncio.sleep(1)
        async with asyncio.timeout(PATIENCE):
            await slack.settle()
            while telegram.waiting:
                await asyncio.sleep(0.1)
        await asyncio.sleep(AFTERMATH)

    async def _unsure(self, settings: Mapping[str, str]) -> list[dict[str, str]]:
        """What the bot itself says may not have arrived."""
        listed = json.loads(await firstline("dead", "list", "--format", "json", settings=settings, folder=self.folder))
        return [row for row in listed if row["state"] == "uncertain"]


class _Balanced(dict[str, str]):
    """Where the Internet leads: to any of the processes, as behind a load balancer."""

    def __init__(self, chance: random.Random, bots: Sequence[Bot]) -> None:
        super().__init__({HOST: ""})
        self._chance, self._bots = chance, bots

    def __getitem__(self, host: str) -> str:
        return f"http://127.0.0.1:{self._chance.choice(self._bots).port}"


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
    for name in arguments.engine or ["sqlite", "postgresql"]:
        (folder / name).mkdir()
        with engines.named(name, folder / name) as engine:
            report = asyncio.run(Storm(Plan(seed, arguments.messages), folder / name, engine).run())
        print(f"{name}: {report}", flush=True)
        bad |= bool(report.problems)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
