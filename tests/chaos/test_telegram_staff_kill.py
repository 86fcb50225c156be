"""kill -9 of a whole bot amid what it does for staff on Telegram: nothing is lost, nothing comes twice but what was in doubt."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from bot.bootstrap import build
from bot.config import Settings
from bot.storage import tables
from bot.storage.store import Store
from tests.chaos import harness
from tests.chaos.processes import end, start
from tests.conftest import TestDatabase
from tests.fakes import FakeClassifier
from tests.integration.desk import until
from tests.integration.telegram_house import QUICK, settings_of
from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_forum import FORUM
from tests.loopback.telegram_people import Human, reading


@dataclass(frozen=True)
class Moment:
    """A call of the bot's, before or after Telegram has done what it asks for."""

    method: str
    words: str
    stage: str

    def __str__(self) -> str:
        return f"{self.method}-{self.words or 'any'}-{self.stage}"


MOMENTS = [
    Moment(method, words, stage)
    for method, words in (
        ("createForumTopic", ""),
        ("sendMessage", "Stand:"),  # the card
        ("sendMessage", "Bisher gesprochen"),
        ("sendMessage", "Kim aus dem"),  # to the customer
        ("editMessageText", "Kim"),  # the card
        ("sendMessage", "Bitte neu starten"),  # to the customer
        ("setMessageReaction", "👀"),
        ("setMessageReaction", "👌"),
        ("closeForumTopic", ""),
    )
    for stage in ("asked", "done")
]


def work(settings: Settings) -> None:
    structlog.configure(processors=[_silent])

    async def run() -> None:
        async with build(settings, classifier=FakeClassifier(), catalogue=harness.CATALOGUE) as app:
            app.adapters["telegram"].limits = QUICK
            await app.run(settings.data / "heartbeat")

    asyncio.run(run())


def _silent(_logger: object, _name: str, _event: object) -> Any:
    raise structlog.DropEvent


async def done(store: Store) -> None:
    """Nothing is left to be said."""
    async with asyncio.timeout(60):
        while True:
            async with store.snapshot() as session:
                if not (await session.outbox.waiting() or await session.events.waiting()):
                    return
            await asyncio.sleep(0.1)


class Nurse:
    """Kills the bot at the moment, once, and lets it live again as often as it dies."""

    def __init__(self, server: LoopbackTelegram, settings: Settings, moment: Moment) -> None:
        self._settings, self._moment = settings, moment
        self.killed = False
        self.process = start(work, settings)
        server.watch = self._watch

    def _watch(self, method: str, params: Mapping[str, Any], stage: str) -> bool:
        moment, said = self._moment, "".join(map(str, params.values()))
        words = {moment.words, json.dumps(moment.words)[1:-1]}
        if not self.killed and (method, stage) == (moment.method, moment.stage) and any(each in said for each in words):
            self.killed = True
            os.kill(self.process.pid, signal.SIGKILL)
            return False
        return True

    async def alive(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            if not self.process.is_alive():
                assert await end(self.process) == -signal.SIGKILL
                self.process = start(work, self._settings)


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
async def test_whenever_the_bot_is_killed_staff_and_customer_read_all_of_it(
    database: TestDatabase, tmp_path: Path, moment: Moment
) -> None:
    async with LoopbackTelegram().serve() as server:
        server.groups.join(FORUM, 501)
        ada, kim = Human(server, 1, "Ada", 1), Human(server, 501, "Kim", FORUM)
        nurse = Nurse(server, settings_of(server, database, tmp_path), moment)
        watching = asyncio.create_task(nurse.alive())
        try:
            await ada.writes("Der Drucker ist kaputt")
            topics: list[int] = []

            def told() -> bool:
                opened = [topic for chat, topic in server.groups.topics if chat == FORUM]
                topics[:] = [t for t in opened if any("Bisher gesprochen" in said for said in kim.reads(t))]
                return bool(topics)

            await until(told, within=60)
            [topic] = topics
            await kim.writes("/take", topic)
            await until(lambda: any("Zuständig: Kim" in said for said in kim.reads(topic)), within=60)
            reply = await kim.writes("Bitte neu starten", topic)
            await until(lambda: server.groups.reactions.get((FORUM, reply)) == "👌", within=60)
            await kim.writes("/close", topic)
            await until(lambda: server.groups.topics[FORUM, topic].closed and not server.waiting, within=60)
            await until(lambda: any("Stand: geschlossen" in said for said in kim.reads(topic)), within=60)
            assert nurse.killed, "the moment never came"
            await done(database.store())
            await asyncio.sleep(0.3)  # for what must not come
        finally:
            watching.cancel()
            os.kill(nurse.process.pid, signal.SIGTERM)
            assert await end(nurse.process) == 0
    async with database.store().snapshot() as session:
        states = Counter((await session.connection.execute(select(tables.outbox.c.state))).scalars())
        doubtful = select(tables.outbox.c.lane).where(tables.outbox.c.uncertain > 0)
        lanes = Counter((await session.connection.execute(doubtful)).scalars())
        uncertain = await session.outbox.uncertain_sends()
        assert set(states) == {"sent"}, states
        assert not await session.events.waiting()
    copies = Counter(reading(server, 1)) + Counter(reading(server, FORUM, topic))
    twice = sum(count - 1 for count in copies.values())
    orphans = sum(chat == FORUM for chat, _ in server.groups.topics) - 1
    assert twice + orphans <= uncertain
    assert uncertain == len(lanes), "in each chat at most one send was under way, and in doubt once"
    assert sum("Firstline: Bitte neu starten" in said for said in reading(server, 1)) >= 1
    assert not any("/take" in said or "/close" in said for said in reading(server, 1))
