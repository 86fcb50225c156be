"""Telegram as the contract sees it: payloads as the Bot API documents them (samples, not recordings).

It must not know what the contract demands.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.telegram import TelegramAdapter
from bot import web
from bot.model import ChatRef, Command
from bot.storage.files import Folder
from tests.adapters.platforms import TIMEOUT, Platform, until
from tests.loopback.faults import Fault
from tests.loopback.telegram import LoopbackTelegram

COMMANDS = (
    Command("hilfe", "help", "de", "Was ich kann"),
    Command("meine_tickets", "my_tickets", "de", "Ihre Tickets"),
    Command("help", "help", "en", "What I can do"),
    Command("tickets", "my_tickets", "en", "Your tickets"),
    Command("person", "person", "de", "Mit einer Person", takes_words=True),
    Command("start", "help", "de"),
)


class Telegram(Platform):
    chat = ChatRef("telegram", "1")
    thread = ChatRef("telegram", "-100", "7")
    unknown = ChatRef("telegram", "999")

    def __init__(self, server: LoopbackTelegram, files: Folder) -> None:
        self.server, self.files = server, files
        self._numbers = itertools.count(10)

    def adapter(
        self,
        *,
        url: str | None = None,
        token: str | None = None,
        webhook: str | None = None,
        staff: tuple[str, ...] = (),
    ) -> TelegramAdapter:
        root = url or self.server.url
        return TelegramAdapter(
            token or self.server.token,
            files=self.files,
            base_url=f"{root}/bot",
            base_file_url=f"{root}/file/bot",
            poll=5,
            timeout=TIMEOUT,
            pause=0.05,
            webhook=webhook,
            commands=COMMANDS,
            staff=staff,
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

    async def say_with_file(self, text: str, name: str, media_type: str, content: bytes) -> None:
        ref = f"file{next(self._numbers)}"
        self.server.files[ref] = content
        about = {"file_id": ref, "file_unique_id": "u", "file_name": name, "mime_type": media_type}
        message = self.message("", next(self._numbers), caption=text, document=about | {"file_size": len(content)})
        del message["text"]
        await self.server.push(message=message)

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

    def fail_fetching(self, fault: Fault) -> None:
        self.server.fail("download", fault)

    def forget_files(self) -> None:
        self.server.files.clear()

    @property
    def shared(self) -> list[tuple[str, str, bytes]]:
        files = [(m["text"], m.get("file", {})) for m in self.server.sent.values()]
        return [(text, file.get("name", ""), file.get("content", b"")) for text, file in files]

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


class CalledTelegram(Telegram):
    """The same, but Telegram calls. ``answer`` passes its calls on to the newest adapter, as a proxy before the bot would."""

    address = "https://bot.example.com/telegram"

    def __init__(self, server: LoopbackTelegram, files: Folder) -> None:
        super().__init__(server, files)
        self.newest: TelegramAdapter | None = None

    def adapter(
        self,
        *,
        url: str | None = None,
        token: str | None = None,
        webhook: str | None = None,
        staff: tuple[str, ...] = (),
    ) -> TelegramAdapter:
        self.newest = super().adapter(url=url, token=token, webhook=webhook or self.address, staff=staff)
        return self.newest

    async def answer(self, request: Request) -> Response:
        if self.newest is None:
            return Response(status_code=502)
        [route] = self.newest.routes()
        assert isinstance(route, Route)
        answer: Response = await route.endpoint(request)
        return answer

    @asynccontextmanager
    async def online(self) -> AsyncIterator[CalledTelegram]:
        listening = web.bound("127.0.0.1", 0)
        self.local = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.server.webhook.reach["bot.example.com"] = self.local
        serving = asyncio.create_task(web.serve([Route("/telegram", self.answer, methods=["POST"])], listening))
        try:
            yield self
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
