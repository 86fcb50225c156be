"""The two platforms behind one face, so that one contract can be run on both; and an inbox like the store's.

It must not know what the contract demands.
"""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from adapters.slack import SlackAdapter
from adapters.slack.outbound import escape
from adapters.telegram import TelegramAdapter
from bot.errors import DatabaseError
from bot.model import ChatRef, InboundMessage, OutboundMessage
from tests.loopback.slack import BOT_USER, TEAM, LoopbackSlack
from tests.loopback.telegram import Fault, LoopbackTelegram

Adapter = TelegramAdapter | SlackAdapter
TIMEOUT = 0.4  # of the adapters' calls in these tests


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
        while not condition():  # noqa: ASYNC110 - what is waited for lies in servers and adapters alike
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


class Telegram(Platform):
    chat = ChatRef("telegram", "1")
    thread = ChatRef("telegram", "-100", "7")
    unknown = ChatRef("telegram", "999")

    def __init__(self, server: LoopbackTelegram) -> None:
        self.server = server
        self._numbers = itertools.count(10)

    def adapter(self, *, url: str | None = None, token: str | None = None) -> TelegramAdapter:
        root = url or self.server.url
        return TelegramAdapter(
            token or self.server.token,
            base_url=f"{root}/bot",
            base_file_url=f"{root}/file/bot",
            poll=5,
            timeout=TIMEOUT,
            pause=0.05,
        )

    @property
    def tokens(self) -> list[str]:
        return [self.server.token]

    def message(self, text: str, number: int, **more: Any) -> dict[str, Any]:
        sender = {"id": 5, "is_bot": False, "first_name": "Ada", "last_name": "L."}
        chat = {"id": 1, "type": "private", "first_name": "Ada"}
        return {"message_id": number, "date": 1700000000, "chat": chat, "from": sender, "text": text} | more

    async def say(self, text: str) -> str:
        number = next(self._numbers)
        await self.server.push(message=self.message(text, number))
        return str(number)

    async def say_again(self, message_id: str, text: str) -> None:
        await self.server.push(message=self.message(text, int(message_id)))

    async def say_in_thread(self, text: str) -> None:
        opening = {"message_id": 7, "from": {"id": 42, "is_bot": True}, "forum_topic_created": {"name": "HD-000001"}}
        await self._in_group(
            f"@firstline_bot {text}", True, is_topic_message=True, message_thread_id=7, reply_to_message=opening
        )

    async def say_in_group(self, text: str, *, mention: bool) -> None:
        await self._in_group(f"😀 @Firstline_Bot {text}" if mention else text, mention, message_thread_id=3)

    async def _in_group(self, text: str, mention: bool, **more: Any) -> None:
        at = len(text[: text.index("@")].encode("utf-16-le")) // 2 if mention else 0
        entities = [{"type": "mention", "offset": at, "length": 14}] if mention else []
        chat = {"id": -100, "type": "supergroup", "title": "Gruppe", "is_forum": True}
        await self.server.push(message=self.message(text, next(self._numbers), chat=chat, entities=entities, **more))

    async def say_as_bot(self, text: str) -> None:
        other = {"id": 77, "is_bot": True, "first_name": "Other"}
        await self.server.push(message=self.message(text, next(self._numbers)) | {"from": other})

    async def edit(self, message_id: str, text: str, version: int) -> None:
        await self.server.push(edited_message=self.message(text, int(message_id), edit_date=1700000100 + version))

    async def press(self, message_id: str, label: str, action: str) -> None:
        key = f"query{next(self._numbers)}"
        self.server.presses.add(key)
        keyboard = {"inline_keyboard": [[{"text": label, "callback_data": action}]]}
        shown = self.message("?", int(message_id), reply_markup=keyboard) | {"from": {"id": 42, "is_bot": True}}
        sender = self.message("", 0)["from"]
        await self.server.push(
            callback_query={"id": key, "from": sender, "message": shown, "chat_instance": "1", "data": action}
        )

    async def malformed(self) -> int:
        broken: list[dict[str, Any]] = [
            {"message": None},
            {"message": {"message_id": "no number"}},
            {
                "message": {
                    "message_id": 1,
                    "date": 10**30,
                    "chat": {"id": 1, "type": "private"},
                    "text": "x",
                    "from": {"id": 1},
                }
            },
            {"edited_message": []},
            {"callback_query": {"id": 3}},
            {"of_a_later_api": {"text": "?"}},
            {},
        ]
        for update in broken:
            await self.server.push(**update)
        return len(broken)

    async def settled(self) -> None:
        await until(lambda: not self.server.waiting)

    @property
    def confirmed(self) -> int:
        return len(self.server.confirmed)

    def fail_sending(self, fault: Fault) -> None:
        self.server.fail("sendMessage", fault)

    def fail_starting(self, fault: Fault) -> None:
        self.server.fail("getMe", fault)

    @property
    def sent(self) -> list[str]:
        return [message["text"] for message in self.server.sent.values()]

    def last_thread(self) -> str | None:
        topic = list(self.server.sent.values())[-1]["params"].get("message_thread_id")
        return None if topic is None else str(topic)

    def buttons(self) -> list[list[str]]:
        keyboards = [m["params"].get("reply_markup", {}).get("inline_keyboard", []) for m in self.server.sent.values()]
        return [[button["text"] for row in rows for button in row] for rows in keyboards]

    @property
    def send_calls(self) -> int:
        return sum(method == "sendMessage" for method, _ in self.server.calls)


class Slack(Platform):
    chat = ChatRef("slack", f"{TEAM}:D1")
    thread = ChatRef("slack", f"{TEAM}:C1", "1600000000.000007")
    unknown = ChatRef("slack", f"{TEAM}:C999")

    def __init__(self, server: LoopbackSlack) -> None:
        self.server = server
        self._numbers = itertools.count(10)

    def adapter(self, *, url: str | None = None, token: str | None = None, **more: float) -> SlackAdapter:
        api = f"{url or self.server.url}/api/"
        return SlackAdapter(
            token or self.server.bot_token, self.server.app_token, base_url=api, timeout=TIMEOUT, pause=0.05, **more
        )

    @property
    def tokens(self) -> list[str]:
        return [self.server.bot_token, self.server.app_token]

    def event(self, text: str, ts: str, kind: str = "message", **more: Any) -> dict[str, Any]:
        event = {
            "type": kind,
            "channel": "D1",
            "channel_type": "im",
            "user": "U5",
            "team": TEAM,
            "text": text,
            "ts": ts,
        }
        return {
            "type": "event_callback",
            "team_id": TEAM,
            "api_app_id": "A1",
            "event_id": f"Ev{next(self._numbers)}",
            "event_time": 1700000000,
            "authorizations": [{"team_id": TEAM, "user_id": BOT_USER, "is_bot": True}],
            "event": event | more,
        }

    def _ts(self) -> str:
        return f"1700000000.{next(self._numbers):06d}"

    async def say(self, text: str) -> str:
        await self.say_again(ts := self._ts(), text)
        return ts

    async def say_again(self, message_id: str, text: str) -> None:
        self.server.push(self.event(escape(text), message_id))

    async def say_in_thread(self, text: str) -> None:
        more = {"channel": "C1", "channel_type": "channel", "thread_ts": self.thread.thread_id}
        self.server.push(self.event(f"<@{BOT_USER}> {text}", self._ts(), "app_mention", **more))

    async def say_in_group(self, text: str, *, mention: bool) -> None:
        ts, text = self._ts(), f"😀 <@{BOT_USER}> {text}" if mention else text
        for kind in ("message", "app_mention") if mention else ("message",):  # Slack sends both
            self.server.push(self.event(text, ts, kind, channel="C1", channel_type="channel"))

    async def say_as_bot(self, text: str) -> None:
        self.server.push(self.event(text, self._ts(), bot_id="B77"))
        self.server.push(self.event(text, self._ts(), bot_id="B77", subtype="bot_message"))

    async def edit(self, message_id: str, text: str, version: int) -> None:
        message = self.event(text, message_id)["event"] | {
            "edited": {"user": "U5", "ts": f"17000001{version:02d}.000000"}
        }
        changed = {"subtype": "message_changed", "hidden": True, "message": message, "previous_message": {"text": "?"}}
        self.server.push(self.event("", self._ts(), **changed))

    async def press(self, message_id: str, label: str, action: str) -> None:
        button = {
            "type": "button",
            "action_id": f"0:{action}",
            "block_id": "b",
            "value": action,
            "action_ts": self._ts(),
        }
        self.server.push(
            {
                "type": "block_actions",
                "team": {"id": TEAM, "domain": "loopback"},
                "user": {"id": "U5", "username": "ada", "name": "ada", "team_id": TEAM},
                "api_app_id": "A1",
                "container": {"type": "message", "message_ts": message_id, "channel_id": "D1", "is_ephemeral": False},
                "trigger_id": "1.2.3",
                "channel": {"id": "D1", "name": "directmessage"},
                "message": {"type": "message", "ts": message_id, "text": "?"},
                "actions": [button | {"text": {"type": "plain_text", "text": label, "emoji": True}}],
            },
            kind="interactive",
        )

    async def malformed(self) -> int:
        broken: list[dict[str, Any]] = [
            {},
            {"type": "event_callback"},
            {"type": "event_callback", "event": "no object"},
            {"type": "event_callback", "event": {"type": "message", "channel": 5}},
            self.event("x", "no time"),
            {"type": "block_actions", "actions": "none"},
            {"type": "of_a_later_api"},
            {"type": "event_callback", "event": {"type": "of_a_later_api"}, "authorizations": [None]},
        ]
        for payload in broken:
            self.server.push(payload)
        return len(broken)

    async def settled(self) -> None:
        async with asyncio.timeout(5):
            await self.server.settle()

    @property
    def confirmed(self) -> int:
        return len(self.server.acknowledged)

    def fail_sending(self, fault: Fault) -> None:
        self.server.fail("chat.postMessage", fault)

    def fail_starting(self, fault: Fault) -> None:
        self.server.fail("auth.test", fault)

    @property
    def sent(self) -> list[str]:
        def shown(text: str) -> str:
            return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

        return [shown(message["text"]) for message in self.server.sent.values()]

    def last_thread(self) -> str | None:
        thread = list(self.server.sent.values())[-1].get("thread_ts")
        return None if thread is None else str(thread)

    def buttons(self) -> list[list[str]]:
        return [
            [e["text"]["text"] for block in message["blocks"] for e in block.get("elements", [])]
            for message in self.server.sent.values()
        ]

    @property
    def send_calls(self) -> int:
        return sum(method == "chat.postMessage" for method, _ in self.server.calls)


async def deliver(adapter: Adapter, message: OutboundMessage) -> list[str]:
    return [await adapter.send(part) for part in adapter.render(message)]
