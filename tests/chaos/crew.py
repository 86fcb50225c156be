"""Several processes that share the work, and customers who write to their platform meanwhile and count what they read there."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.processes import end, start
from tests.chaos.test_kill_slack import live
from tests.chaos.test_telegram_kill import Bot, talk
from tests.conftest import TestDatabase
from tests.integration.desk import until
from tests.loopback.slack import TEAM, LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram

CHATS = range(1, 4)
A_WHILE = 60.0


@dataclass
class Customers:
    """Write to the platform, and count what they read there."""

    written: Counter[int] = field(default_factory=Counter)

    async def write(self, chat: int) -> None:
        self.written[chat] += 1
        await self._write(chat, self.written[chat])

    async def _write(self, chat: int, number: int) -> None:
        raise NotImplementedError

    @property
    def read(self) -> Counter[int]:
        raise NotImplementedError

    async def answered(self) -> None:
        """Wait until everybody has at least as many answers as they have written messages."""
        await until(lambda: not self.written - self.read, within=A_WHILE)

    async def all_write(self) -> None:
        for chat in CHATS:
            await self.write(chat)

    async def write_and_wait(self, times: int) -> None:
        for _ in range(times):
            await self.all_write()
            await self.answered()

    @asynccontextmanager
    async def going_on(self, once: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Do ``once`` again and again for the length of the block, and to its end."""
        enough = asyncio.Event()

        async def again_and_again() -> None:
            while not enough.is_set():
                await once()

        task = asyncio.create_task(again_and_again())
        try:
            yield
        finally:
            enough.set()
            await task


@dataclass
class OnTelegram(Customers):
    server: LoopbackTelegram = field(default_factory=lambda: LoopbackTelegram(chats=set(CHATS)))

    async def _write(self, chat: int, number: int) -> None:
        sender = {"id": chat, "is_bot": False, "first_name": "Ada"}
        message = {"date": 1700000000, "chat": {"id": chat, "type": "private"}, "from": sender, "text": "Guten Tag"}
        await self.server.push(message={"message_id": number, **message})

    @property
    def read(self) -> Counter[int]:
        return Counter(chat for chat, _ in self.server.sent)


@dataclass
class OnSlack(Customers):
    server: LoopbackSlack = field(
        default_factory=lambda: LoopbackSlack(
            channels={f"D{chat}" for chat in CHATS}, ack_within=1, attempts=60, pick=random.Random(1).choice
        )
    )

    async def _write(self, chat: int, number: int) -> None:
        where = {"channel": f"D{chat}", "channel_type": "im", "user": f"U{chat}", "team": TEAM}
        event = {"type": "message", "text": "Guten Tag", "ts": f"1700000000.{number:06d}", **where}
        name = f"Ev{chat}-{number}"
        self.server.push({"type": "event_callback", "event_id": name, "team_id": TEAM, "event": event}, name=name)

    @property
    def read(self) -> Counter[int]:
        return Counter(int(channel.removeprefix("D")) for channel, _ in self.server.sent)


class Crew:
    """Starts processes that share the work, each in a folder of its own, and ends those that a test has left."""

    def __init__(self, folder: Path, launch: Callable[[Path], Any]) -> None:
        self._folder, self._launch = folder, launch
        self._running: list[Any] = []

    async def __aenter__(self) -> Crew:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in list(self._running):
            await self.kill(process)

    async def start(self, launch: Callable[[Path], Any] | None = None) -> Any:
        """Returns once the process is up; whether messages are taken from its platform is another matter."""
        folder = self._folder / f"process{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        process = (launch or self._launch)(folder)
        self._running.append(process)
        await until((folder / "heartbeat").exists, within=A_WHILE)
        return process

    async def kill(self, process: Any) -> None:
        self._running.remove(process)
        os.kill(process.pid, signal.SIGKILL)
        assert await end(process) == -signal.SIGKILL

    async def stop(self, process: Any) -> None:
        """As an orchestrator does it: SIGTERM, and the process ends well by itself."""
        self._running.remove(process)
        os.kill(process.pid, signal.SIGTERM)
        assert await end(process, within=25) == 0


def polling(
    server: LoopbackTelegram, database: TestDatabase, roles: str = "intake,worker,delivery"
) -> Callable[[Path], Any]:
    bot = partial(Bot, database_url=database.url, server=server.url, token=server.token, port=0, roles=roles)
    return lambda folder: start(talk, bot(folder))


def holding_sockets(server: LoopbackSlack, database: TestDatabase) -> Callable[[Path], Any]:
    return lambda folder: start(live, folder, server.url, 0, "socket", "never", database.url)
