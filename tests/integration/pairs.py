"""The whole bot between any two platforms, made from settings: customers on the one, staff on the other or on the same.

It must not know what is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr
from sqlalchemy import select

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.model import Ticket
from bot.ports import Classifier
from bot.running import App
from bot.storage import tables
from tests.conftest import TestDatabase
from tests.fakes import FakeClassifier
from tests.loopback import slack_people, telegram_people
from tests.loopback.slack import LoopbackSlack
from tests.loopback.slack_http import SECRET, Caller
from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_forum import FORUM

DESK = "C0DESK"


class Human(Protocol):
    """Somebody in front of a platform. Ids of messages and threads are the platform's."""

    async def writes(self, text: str, topic: Any = None) -> Any: ...
    async def sends(self, name: str, content: bytes, caption: str = "", topic: Any = None) -> Any: ...
    async def edits(self, message: Any, text: str) -> None: ...
    async def presses(self, label: str, topic: Any = None) -> Any: ...
    def reads(self, topic: Any = None) -> list[str]: ...


@dataclass(frozen=True)
class Ticks:
    """How a platform shows what became of a message of staff."""

    sent: str
    noted: str


@dataclass
class Pair:
    """``ada`` is a customer, ``kim`` and ``mira`` are of staff, ``eve`` is nobody and looks into the place of staff."""

    app: App
    ada: Human
    kim: Human
    mira: Human
    eve: Human
    ticks: Ticks
    starts: bool
    """Whether a link of invitation begins the talk with a command of the platform's; else its words are pasted."""
    topics: Callable[[], Sequence[Any]]
    """The threads of staff, in the order in which they were opened."""
    rest: Callable[[], bool]
    """Whether the platforms have brought everything."""

    @property
    def topic(self) -> Any:
        return self.topics()[0]

    @property
    def thread(self) -> str:
        """All that staff read of the first ticket."""
        return "\n".join(self.kim.reads(self.topic))

    @property
    def card(self) -> str:
        """As it stands in the first thread, where it comes first."""
        return self.kim.reads(self.topic)[0]

    @property
    def read(self) -> str:
        """All that the customer reads."""
        return "\n".join(self.ada.reads())

    async def settled(self) -> None:
        """Everything that was brought is handled, told and sent."""
        async with asyncio.timeout(60):
            quiet = 0
            while quiet < 2:
                await self.app.engine.settled()
                quiet = 0 if await self._busy() else quiet + 1
                await asyncio.sleep(0.02)

    async def _busy(self) -> bool:
        if not self.rest():
            return True
        async with self.app.store.snapshot() as session:
            return bool(
                await session.inbox.waiting()
                or await session.outbox.waiting()
                or await session.events.waiting()
                or await session.attachments.waiting(datetime.max.replace(tzinfo=UTC))
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


@asynccontextmanager
async def a_pair(
    customers: str,
    staff: str,
    database: TestDatabase,
    folder: Path,
    catalogue: Catalogue,
    port: int,
    *,
    called: bool = False,
    classifier: Classifier | None = None,
    **more: Any,
) -> AsyncIterator[Pair]:
    """``called``: over the web, at ``port``; else through a socket and by asking."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(LoopbackSlack(ack_within=2).serve())
        telegram = await stack.enter_async_context(LoopbackTelegram().serve())
        places = {"slack": f"slack:{DESK}", "telegram": f"telegram:{FORUM}"}
        given: dict[str, Any] = {
            "adapters": ",".join(sorted({customers, staff})),
            "slack_mode": "http" if called else "socket",
            "slack_bot_token": SecretStr(slack.bot_token),
            "slack_app_token": SecretStr(slack.app_token),
            "slack_signing_secret": SecretStr(SECRET),
            "slack_api_url": f"{slack.url}/api/",
            "telegram_mode": "webhook" if called else "polling",
            "telegram_token": SecretStr(telegram.token),
            "telegram_api_url": telegram.url,
            "public_url": "https://bot.example.com",
            "web_port": port,
            "staff_chat": places[staff],
            "undo_seconds": 0,
            "burst_seconds": 0,
        }
        settings = Settings.load(data=folder, database_url=database.url, **(given | more))
        if called:
            slack.caller = Caller(f"http://127.0.0.1:{port}/slack/events", pauses=(0.1,) * 100, within=3)
            telegram.webhook.reach["bot.example.com"] = f"http://127.0.0.1:{port}"
        slack.channels.add(DESK)
        slack.members[DESK] = ["U7", "U8"]
        slack.people |= {"U5": "Ada", "U7": "Kim", "U8": "Mira", "U9": "Eve"}
        telegram.groups.join(FORUM, 501)
        telegram.groups.join(FORUM, 502)
        app = await stack.enter_async_context(
            build(settings, classifier=classifier or FakeClassifier(), catalogue=catalogue)
        )
        for adapter in app.adapters.values():
            unhurried: dict[str, Any] = {"pace": 0.0} | ({"in_a_group": 0.0} if adapter.name == "telegram" else {})
            adapter.limits = replace(adapter.limits, **unhurried)
        running = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            if called and slack.caller is not None and "slack" in (customers, staff):
                async with asyncio.timeout(20):  # what people press Slack does not bring a second time
                    while not await _answers(slack.caller):
                        await asyncio.sleep(0.02)
            yield _joined(customers, staff, app, slack, telegram)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def _joined(customers: str, staff: str, app: App, slack: LoopbackSlack, telegram: LoopbackTelegram) -> Pair:
    ada: Human
    kim: Human
    mira: Human
    eve: Human
    on_slack, on_telegram = slack_people.Human(slack, "U5", "Ada", "D1"), telegram_people.Human(telegram, 1, "Ada", 1)
    ada = on_slack if customers == "slack" else on_telegram
    if staff == "slack":
        kim, mira, eve = (
            slack_people.Human(slack, user, name, DESK) for user, name in (("U7", "Kim"), ("U8", "Mira"), ("U9", "Eve"))
        )
        ticks = Ticks("white_check_mark", "memo")

        def topics() -> Sequence[Any]:
            return [ts for (channel, ts), sent in slack.sent.items() if channel == DESK and "thread_ts" not in sent]

    else:
        kim, mira, eve = (
            telegram_people.Human(telegram, user, name, FORUM)
            for user, name in ((501, "Kim"), (502, "Mira"), (666, "Eve"))
        )
        ticks = Ticks("👌", "✍")

        def topics() -> Sequence[Any]:
            return sorted(topic for chat, topic in telegram.groups.topics if chat == FORUM)

    return Pair(
        app,
        ada,
        kim,
        mira,
        eve,
        ticks,
        customers == "telegram",
        topics,
        lambda: not telegram.waiting and not slack.delivering,
    )


async def _answers(caller: Caller) -> bool:
    try:
        return await caller.verified()
    except OSError:
        return False
