"""A platform that refuses, breaks and goes silent, seen from outside: what its strict loopback server was given, and when."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.telegram import TelegramAdapter
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.running import App
from bot.storage.files import Folder
from tests.conftest import TestDatabase
from tests.fakes import FakeClassifier
from tests.integration.desk import until
from tests.loopback.faults import Fault
from tests.loopback.telegram import LoopbackTelegram

TIMEOUT = 0.4  # of one call


@pytest.fixture
async def telegram() -> AsyncIterator[LoopbackTelegram]:
    async with LoopbackTelegram(chats=set(range(1, 20))).serve() as server:
        yield server


@asynccontextmanager
async def _running(
    database: TestDatabase, folder: Path, server: LoopbackTelegram, catalogue: Catalogue
) -> AsyncIterator[App]:
    adapter = TelegramAdapter(
        server.token,
        files=Folder(folder / "files"),
        base_url=f"{server.url}/bot",
        base_file_url=f"{server.url}/file/bot",
        poll=5,
        timeout=TIMEOUT,
        pause=0.05,
    )
    settings = Settings(data=folder, database_url=database.url, burst_seconds=0)
    async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app:
        running = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            yield app
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def _say(server: LoopbackTelegram, chat: int, number: int) -> None:
    sender = {"id": chat, "is_bot": False, "first_name": "Ada"}
    place = {"id": chat, "type": "private", "first_name": "Ada"}
    message: dict[str, Any] = {"message_id": number, "date": 1700000000, "chat": place, "from": sender}
    await server.push(message=message | {"text": "Der Drucker ist kaputt"})


def _chats(server: LoopbackTelegram) -> list[int]:
    """Whom something has arrived at, in the order of arrival."""
    return [chat for chat, _ in server.sent]


async def _uncertain(app: App) -> int:
    async with app.store.snapshot() as session:
        return await session.outbox.uncertain_sends()


async def test_a_chat_that_the_platform_refuses_for_a_while_holds_up_no_other(
    database: TestDatabase, tmp_path: Path, telegram: LoopbackTelegram, catalogue: Catalogue
) -> None:
    telegram.fail("sendMessage", Fault(status=429, retry_after=2))
    async with _running(database, tmp_path, telegram, catalogue) as app:
        await _say(telegram, 1, 10)
        await until(lambda: [method for method, _ in telegram.calls].count("sendMessage") == 1)
        for chat in range(2, 8):
            await _say(telegram, chat, 10)
        await until(lambda: len(telegram.sent) == 7, within=20)
        assert await _uncertain(app) == 0
    assert Counter(_chats(telegram)) == Counter(range(1, 8))
    assert _chats(telegram)[-1] == 1, "the others did not wait, and the refused one was not asked before its time"


@pytest.mark.parametrize(
    ("fault", "copies", "ambiguous"),
    [
        (Fault(status=429, retry_after=1), 1, 0),
        (Fault(status=503), 1, 0),
        (Fault(status=502, html=True), 1, 1),
        (Fault(drop=True), 1, 1),
        (Fault(hang=True), 2, 1),
    ],
    ids=["too-many", "refused", "gateway", "broken-off", "accepted-then-time-out"],
)
async def test_whatever_the_platform_answers_the_reply_arrives_and_a_second_copy_is_counted(
    database: TestDatabase,
    tmp_path: Path,
    telegram: LoopbackTelegram,
    catalogue: Catalogue,
    fault: Fault,
    copies: int,
    ambiguous: int,
) -> None:
    telegram.fail("sendMessage", fault)
    async with _running(database, tmp_path, telegram, catalogue) as app:
        await _say(telegram, 1, 10)
        await _say(telegram, 2, 10)
        await until(lambda: set(_chats(telegram)) == {1, 2} and len(telegram.sent) == 1 + copies, within=20)
        await app.engine.settled()
        assert await _uncertain(app) == ambiguous
    assert len(telegram.sent) == 1 + copies
