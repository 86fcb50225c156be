"""kill -9 of a whole bot with its real Telegram adapter: what Telegram was not told of comes again, and is answered once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.telegram import TelegramAdapter
from bot.bootstrap import build
from bot.config import Settings
from bot.storage.files import Folder
from tests.chaos import harness
from tests.chaos.processes import end, start
from tests.conftest import TestDatabase
from tests.fakes import FakeClassifier
from tests.integration.desk import until
from tests.loopback.telegram import LoopbackTelegram


@dataclass(frozen=True)
class Bot:
    """``dies`` is what its log says just before it is killed; ``port`` is where Telegram calls it, 0 where it fetches."""

    folder: Path
    database_url: str
    server: str
    token: str
    port: int
    dies: str = ""
    roles: str = "intake,worker,delivery"


def talk(bot: Bot) -> None:
    def watch(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event["event"] == bot.dies:
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()  # the signal may take a moment; nothing more may happen until then
        raise structlog.DropEvent

    structlog.configure(processors=[watch])
    adapter = TelegramAdapter(
        bot.token,
        files=Folder(bot.folder / "files"),
        base_url=f"{bot.server}/bot",
        base_file_url=f"{bot.server}/file/bot",
        poll=5,
        timeout=5,
        pause=0.05,
        webhook="https://bot.example.com/telegram" if bot.port else None,
    )
    settings = Settings(
        data=bot.folder, database_url=bot.database_url, burst_seconds=0, web_port=bot.port, roles=bot.roles
    )

    async def work() -> None:
        async with build(
            settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=harness.CATALOGUE
        ) as application:
            await application.run(bot.folder / "heartbeat")

    asyncio.run(work())


@pytest.mark.parametrize("way", ["fetched", "called"])
@pytest.mark.parametrize("dies", ["message_accepted", "turn_handled", "sent"])
async def test_a_bot_that_is_killed_at_a_boundary_has_answered_once_after_its_restart(
    database: TestDatabase, tmp_path: Path, unused_tcp_port: int, dies: str, way: str
) -> None:
    async with LoopbackTelegram().serve() as server:
        server.webhook.reach["bot.example.com"] = f"http://127.0.0.1:{unused_tcp_port}"
        port = unused_tcp_port if way == "called" else 0
        bot = Bot(tmp_path, database.url, server.url, server.token, port, dies)
        sender = {"id": 5, "is_bot": False, "first_name": "Ada"}
        message = {"message_id": 10, "date": 1700000000, "chat": {"id": 1, "type": "private"}, "from": sender}
        update = await server.push(message={**message, "text": "Der Drucker ist kaputt"})

        assert await end(start(talk, bot)) == -signal.SIGKILL
        if dies == "message_accepted":
            assert server.confirmed == [], "it is stored, but Telegram has not heard of it"

        before = len(server.calls)
        second = start(talk, Bot(tmp_path, database.url, server.url, server.token, port))
        begun = {"getUpdates", "setWebhook"}
        await until(lambda: any(method in begun for method, _ in server.calls[before:]), within=60)
        await until(lambda: bool(server.sent) and not server.waiting, within=60)
        await asyncio.sleep(0.2)  # for a second answer, which there must not be
        os.kill(second.pid, signal.SIGTERM)
        assert await end(second) == 0
    assert [chat for chat, _ in server.sent] == [1]
    assert server.confirmed == [update]
    async with database.store().snapshot() as session:
        assert len(await session.tickets.all()) == 1
        assert await session.outbox.uncertain_sends() == 0
