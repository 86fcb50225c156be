"""A customer, Telegram and the whole bot, with either way in: what is written is answered, pressed, corrected and handed on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.telegram import TelegramAdapter
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.dialogue.commands import commands
from bot.running import App
from bot.storage.files import Folder
from tests.conftest import TestDatabase
from tests.fakes import FakeClassifier
from tests.integration.desk import until
from tests.loopback.telegram import LoopbackTelegram


class Customer:
    """Somebody in a private chat or a group."""

    def __init__(self, server: LoopbackTelegram, chat: int = 1) -> None:
        self._server, self._chat = server, chat
        self._numbers = itertools.count(10)

    async def says(self, text: str, **more: Any) -> list[str]:
        """What the bot answers."""
        await self._server.push(message=self._message(text) | more)
        return await self._answers()

    async def presses(self, label: str) -> list[str]:
        number, sent = next(
            (number, sent)
            for (chat, number), sent in reversed(self._server.sent.items())
            if chat == self._chat and label in self._labels(sent)
        )
        markup = sent["params"]["reply_markup"]
        [data] = [b["callback_data"] for row in markup["inline_keyboard"] for b in row if b["text"] == label]
        key = f"query{next(self._numbers)}"
        self._server.presses.add(key)
        shown = self._message("?") | {"message_id": number, "reply_markup": markup}
        await self._server.push(
            callback_query={"id": key, "from": shown["from"], "message": shown, "chat_instance": "1", "data": data}
        )
        return await self._answers()

    async def _answers(self) -> list[str]:
        """Whatever is said until the bot has been quiet for a moment."""
        before = len(self._server.sent)
        await until(lambda: len(self._server.sent) > before and not self._server.waiting, within=30)
        await asyncio.sleep(0.3)
        return [sent["text"] for sent in list(self._server.sent.values())[before:]]

    def _message(self, text: str) -> dict[str, Any]:
        sender = {"id": 5, "is_bot": False, "first_name": "Ada"}
        kind = "private" if self._chat > 0 else "group"
        place = {"chat": {"id": self._chat, "type": kind}, "from": sender}
        return {"message_id": next(self._numbers), "date": 1700000000, "text": text, **place}

    @staticmethod
    def _labels(sent: dict[str, Any]) -> list[str]:
        rows = (sent["params"].get("reply_markup") or {}).get("inline_keyboard", [])
        return [button["text"] for row in rows for button in row]


@pytest.fixture(params=["fetched", "called"])
async def running(
    request: pytest.FixtureRequest,
    database: TestDatabase,
    tmp_path: Path,
    catalogue: Catalogue,
    unused_tcp_port: int,
) -> AsyncIterator[tuple[LoopbackTelegram, App]]:
    async with (
        LoopbackTelegram().serve() as server,
        _bot(server, database, tmp_path, catalogue, unused_tcp_port if request.param == "called" else 0) as app,
    ):
        yield server, app


@asynccontextmanager
async def _bot(
    server: LoopbackTelegram, database: TestDatabase, folder: Path, catalogue: Catalogue, port: int
) -> AsyncIterator[App]:
    server.webhook.reach["bot.example.com"] = f"http://127.0.0.1:{port}"
    adapter = TelegramAdapter(
        server.token,
        files=Folder(folder / "files"),
        base_url=f"{server.url}/bot",
        base_file_url=f"{server.url}/file/bot",
        poll=5,
        timeout=5,
        pause=0.05,
        webhook="https://bot.example.com/telegram" if port else None,
        commands=commands(catalogue, "de"),
    )
    settings = Settings(data=folder, database_url=database.url, burst_seconds=0.05, web_port=port)
    async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app:
        running = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            yield app
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_from_the_first_word_to_the_ticket_and_to_a_person(running: tuple[LoopbackTelegram, App]) -> None:
    server, app = running
    ada = Customer(server)
    assert await ada.says("/start")
    [asked] = await ada.says("/neu")
    assert "Angaben" in asked
    [opened] = await ada.presses("Mit einer Person sprechen")
    assert "HD-000001" in opened
    await until(lambda: any("✓ Mit einer Person sprechen" in Customer._labels(sent) for sent in server.sent.values()))
    [status] = await ada.says("/meine_tickets")
    assert "HD-000001" in status
    assert server.shown, "that something was being done has been shown"
    async with app.store.snapshot() as session:
        [ticket] = await session.tickets.all()
    assert ticket.reason == "person"


async def test_a_group_that_moves_keeps_its_conversation(running: tuple[LoopbackTelegram, App]) -> None:
    server, app = running
    server.chats |= {-9, -1009}
    called = {"entities": [{"type": "mention", "offset": 0, "length": 14}]}
    before, after = Customer(server, -9), Customer(server, -1009)
    [opened] = await before.says("@firstline_bot der Drucker ist kaputt", **called)
    assert "HD-000001" in opened
    server.migrated[-9] = -1009
    sender = {"id": 5, "is_bot": False, "first_name": "Ada"}
    place = {"chat": {"id": -9, "type": "group"}, "from": sender}
    await server.push(message={"message_id": 99, "date": 1700000001, "migrate_to_chat_id": -1009, **place})
    answers = await after.says("@firstline_bot gibt es etwas Neues?", **called)
    assert answers
    assert [chat for chat, _ in server.sent][-1] == -1009
    async with app.store.snapshot() as session:
        [ticket] = await session.tickets.all()
        conversation = await session.conversations.get(ticket.conversation_id)
    assert conversation.chat.chat_id == "-1009"
