"""kill -9 with a real adapter: Slack delivers again what was not acknowledged, and is asked what it has before it gets it twice."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog
from sqlalchemy import select

from adapters.slack import SlackAdapter
from bot.bootstrap import build
from bot.config import Settings
from bot.model import Part
from bot.storage import tables
from bot.storage.files import Folder
from bot.storage.store import Store
from tests.chaos.harness import CATALOGUE
from tests.conftest import TestDatabase
from tests.fakes import FakeClassifier
from tests.loopback.slack import TEAM, LoopbackSlack
from tests.loopback.slack_http import SECRET, Caller

Moment = Literal["never", "accepted", "sending", "transmitted", "sent"]
Way = Literal["socket", "http"]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["__main__", "tests.chaos.test_kill_slack"])

EVENT = {
    "type": "message",
    "channel": "D1",
    "channel_type": "im",
    "user": "U5",
    "team": TEAM,
    "text": "Der Drucker ist kaputt",
    "ts": "1700000000.000001",
}


class _Mortal(SlackAdapter):
    """Dies around the call that it makes."""

    dies: Moment = "never"

    async def send(self, part: Part) -> str:
        if self.dies == "sending":
            _die()
        ts = await super().send(part)
        if self.dies == "transmitted":
            _die()
        return ts


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(folder: Path, server: str, port: int, way: Way, dies: Moment, database_url: str) -> None:
    """A whole bot in a process of its own, until death or SIGTERM."""
    logged = {"message_accepted": "accepted", "sent": "sent"}

    def watch(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if logged.get(str(event["event"])) == dies:
            _die()
        raise structlog.DropEvent

    structlog.configure(processors=[watch])
    settings = Settings(data=folder, database_url=database_url, burst_seconds=0, web_port=port)

    async def work() -> None:
        adapter = _Mortal(
            "xoxb-loopback",
            "xapp-loopback" if way == "socket" else None,
            signing_secret=SECRET if way == "http" else None,
            files=Folder(folder / "files"),
            base_url=f"{server}/api/",
            timeout=2,
            pause=0.05,
        )
        adapter.dies = dies
        async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=CATALOGUE) as app:
            await app.run(settings.heartbeat)

    asyncio.run(work())


async def _ended(process: Any) -> int | None:
    await asyncio.to_thread(process.join, 30)
    code: int | None = process.exitcode
    process.close()
    return code


async def _states(store: Store, table: Any) -> Counter[str]:
    async with store.snapshot() as session:
        return Counter((await session.connection.execute(select(table.c.state))).scalars())


@pytest.mark.parametrize("way", ["socket", "http"])
@pytest.mark.parametrize("dies", ["accepted", "sending", "transmitted", "sent"])
async def test_after_kill_9_the_customer_reads_one_answer(
    database: TestDatabase, tmp_path: Path, unused_tcp_port: int, way: Way, dies: Moment
) -> None:
    caller = Caller(f"http://127.0.0.1:{unused_tcp_port}/slack/events", pauses=(0.2,) * 200, within=2)
    folder = tmp_path / "data"
    folder.mkdir()
    store = database.store()
    async with LoopbackSlack(caller=caller if way == "http" else None, attempts=200).serve() as server:
        process = _processes.Process(target=live, args=(folder, server.url, unused_tcp_port, way, dies, database.url))
        process.start()
        server.push({"type": "event_callback", "event_id": "Ev1", "team_id": TEAM, "event": EVENT})
        assert await _ended(process) == -signal.SIGKILL
        assert await _states(store, tables.inbox) != Counter(), "it dies after the commit"
        if dies == "accepted":
            assert server.acknowledged == [], "Slack hears of it only afterwards"

        heartbeat = Settings(data=folder).heartbeat
        heartbeat.unlink(missing_ok=True)
        process = _processes.Process(
            target=live, args=(folder, server.url, unused_tcp_port, way, "never", database.url)
        )
        process.start()
        try:
            async with asyncio.timeout(30):
                await server.settle()
                while not heartbeat.exists() or await _states(store, tables.outbox) != Counter(sent=1):
                    await asyncio.sleep(0.05)
        finally:
            os.kill(process.pid or 0, signal.SIGTERM)
            assert await _ended(process) == 0
        assert await _states(store, tables.inbox) == Counter(handled=1)
        assert len(server.acknowledged) == 1
        answers = [message for (channel, _), message in server.sent.items() if channel == "D1"]
        assert len(answers) == 1
        assert "HD-000001" in answers[0]["text"]
