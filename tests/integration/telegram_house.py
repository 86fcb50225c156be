"""The whole bot with Telegram at one end, made from settings: customers in private chats, staff in a forum of the same bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select

from adapters.telegram.outbound import BUTTON_LIMIT, TEXT_LIMIT
from adapters.telegram.pace import TelegramLimits
from bot.bootstrap import build, now
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.model import Ticket
from bot.ports import Classifier
from bot.running import App
from bot.storage import tables
from tests.conftest import TestDatabase
from tests.fakes import FakeClassifier
from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_forum import FORUM
from tests.loopback.telegram_people import Human

QUICK = TelegramLimits(text=TEXT_LIMIT, buttons=BUTTON_LIMIT, pace=0, in_a_group=0)


@dataclass
class House:
    """``ada`` is a customer, ``kim`` and ``mira`` are of staff, ``eve`` is nobody and has got into the group."""

    server: LoopbackTelegram
    app: App

    @property
    def ada(self) -> Human:
        return Human(self.server, 1, "Ada", 1)

    @property
    def kim(self) -> Human:
        return Human(self.server, 501, "Kim", FORUM)

    @property
    def mira(self) -> Human:
        return Human(self.server, 502, "Mira", FORUM)

    @property
    def eve(self) -> Human:
        return Human(self.server, 666, "Eve", FORUM)

    @property
    def topics(self) -> list[int]:
        """Of staff, in the order in which they were opened."""
        return sorted(topic for chat, topic in self.server.groups.topics if chat == FORUM)

    async def settled(self) -> None:
        """Everything that Telegram has brought is handled, told and sent."""
        async with asyncio.timeout(40):
            while True:
                await self.app.engine.settled()
                if not self.server.waiting and not await self._busy():
                    await self.app.engine.settled()
                    if not self.server.waiting and not await self._busy():
                        return
                await asyncio.sleep(0.02)

    async def _busy(self) -> bool:
        async with self.app.store.snapshot() as session:
            return bool(
                await session.inbox.waiting()
                or await session.attachments.waiting(now())
                or await session.outbox.waiting()
                or await session.events.waiting()
            )

    async def ticket(self, number: int = 1) -> Ticket:
        async with self.app.store.snapshot() as session:
            ticket = await session.tickets.get(number)
        assert ticket is not None
        return ticket

    async def kinds(self) -> list[str]:
        """What has happened, by the names of the events."""
        async with self.app.store.snapshot() as session:
            return list((await session.connection.execute(select(tables.event.c.kind))).scalars())


def settings_of(server: LoopbackTelegram, database: TestDatabase, folder: Path, port: int = 0, **more: Any) -> Settings:
    """``port`` is where Telegram calls; 0: the bot fetches."""
    called = {"telegram_mode": "webhook", "public_url": "https://bot.example.com", "web_port": port} if port else {}
    given: dict[str, Any] = {
        "adapters": "telegram",
        "telegram_token": SecretStr(server.token),
        "telegram_api_url": server.url,
        "staff_chat": f"telegram:{FORUM}",
        "undo_seconds": 0,
        "burst_seconds": 0,
        "identify": "never",
    }
    return Settings.load(data=folder, database_url=database.url, **{**given, **called, **more})


@asynccontextmanager
async def a_house(
    server: LoopbackTelegram,
    database: TestDatabase,
    folder: Path,
    catalogue: Catalogue,
    port: int = 0,
    classifier: Classifier | None = None,
    **more: Any,
) -> AsyncIterator[House]:
    server.webhook.reach["bot.example.com"] = f"http://127.0.0.1:{port}"
    server.groups.join(FORUM, 501)
    server.groups.join(FORUM, 502)
    settings = settings_of(server, database, folder, port, **more)
    async with build(settings, classifier=classifier or FakeClassifier(), catalogue=catalogue) as app:
        app.adapters["telegram"].limits = QUICK
        running = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            yield House(server, app)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
