"""A platform as the contract sees it, and an inbox like the store's.

It must not know what the contract demands.
"""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

from adapters.slack import SlackAdapter
from adapters.telegram import TelegramAdapter
from bot.errors import DatabaseError
from bot.model import ChatRef, File, InboundMessage, OutboundMessage
from bot.storage.files import Folder
from tests.loopback.faults import Fault

Adapter = TelegramAdapter | SlackAdapter
TIMEOUT = 0.8  # of the adapters' calls in these tests


class Inbox:
    """Takes what the adapter hands over; ``fail`` makes the next ones raise, ``gate`` holds them."""

    def __init__(self) -> None:
        self.arrived: list[InboundMessage] = []
        self.tried: list[InboundMessage] = []
        self.fail = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.delays: Iterator[float] = itertools.repeat(0.0)

    async def receive(self, message: InboundMessage) -> None:
        self.tried.append(message)
        await asyncio.sleep(next(self.delays))
        await self.gate.wait()
        if self.fail:
            self.fail -= 1
            raise DatabaseError
        self.arrived.append(message)

    async def has(self, count: int) -> list[InboundMessage]:
        await until(lambda: len(self.arrived) >= count)
        return self.arrived

    @property
    def kept(self) -> dict[tuple[str, str, str], InboundMessage]:
        """As the store keeps them: the first of each identity."""
        kept: dict[tuple[str, str, str], InboundMessage] = {}
        for message in self.arrived:
            kept.setdefault((message.chat.adapter, message.chat.chat_id, message.message_id), message)
        return kept


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(adapter: Adapter, receive: Callable[[InboundMessage], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.create_task(adapter.run(receive))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await adapter.close()


class Platform(ABC):
    chat: ChatRef
    thread: ChatRef
    unknown: ChatRef
    files: Folder

    @abstractmethod
    def adapter(self, *, url: str | None = None, token: str | None = None) -> Adapter: ...
    @property
    @abstractmethod
    def tokens(self) -> list[str]: ...
    @abstractmethod
    async def say(self, text: str) -> str:
        """A customer writes; the message_id that the adapter must give it."""

    @abstractmethod
    async def say_again(self, message_id: str, text: str) -> None:
        """The platform delivers the same message anew, as if it were another delivery."""

    @abstractmethod
    async def say_with_file(self, text: str, name: str, media_type: str, content: bytes) -> None: ...
    @abstractmethod
    async def say_in_thread(self, text: str) -> None: ...
    @abstractmethod
    async def say_in_group(self, text: str, *, mention: bool) -> None: ...
    @abstractmethod
    async def say_as_bot(self, text: str) -> None: ...
    @abstractmethod
    async def edit(self, message_id: str, text: str, version: int) -> None: ...
    @abstractmethod
    async def press(self, message_id: str, label: str, action: str) -> None: ...
    @abstractmethod
    async def malformed(self) -> int:
        """Deliver things that do not look as documented; how many."""

    @abstractmethod
    async def settled(self) -> None:
        """Return when the platform regards everything as delivered."""

    @property
    @abstractmethod
    def confirmed(self) -> int: ...
    @abstractmethod
    def fail_sending(self, fault: Fault) -> None: ...
    @abstractmethod
    def fail_starting(self, fault: Fault) -> None: ...
    @abstractmethod
    def fail_fetching(self, fault: Fault) -> None:
        """The next download of a file meets ``fault``."""

    @abstractmethod
    def forget_files(self) -> None:
        """The platform has no file any more that it had."""

    @property
    @abstractmethod
    def shared(self) -> list[tuple[str, str, bytes]]:
        """Of everything that was sent, in order: what readers see, and the name and the content of a file, if it is one."""

    @property
    @abstractmethod
    def sent(self) -> list[str]:
        """What readers see, message by message."""

    @abstractmethod
    def last_thread(self) -> str | None: ...
    @abstractmethod
    def buttons(self) -> list[list[str]]:
        """The labels on each message sent."""

    @property
    @abstractmethod
    def send_calls(self) -> int: ...


async def deliver(adapter: Adapter, message: OutboundMessage) -> list[str]:
    return [await adapter.send(part) for part in adapter.render(message)]


async def kept(platform: Platform, name: str, media_type: str, content: bytes) -> File:
    """A file as the core keeps it, so that it can be sent."""

    async def whole() -> AsyncIterator[bytes]:
        yield content

    return File(await platform.files.put("c", whole()), name, media_type, len(content))
