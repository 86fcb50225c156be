"""A strict Bot API server on the loopback interface: it refuses what Telegram refuses, and remembers what arrived.

It must not know the adapter.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from aiohttp import web
from telegram.constants import ChatAction, UpdateType

from tests.loopback.downloads import sent_out
from tests.loopback.faults import Fault
from tests.loopback.journal import Journal
from tests.loopback.telegram_forum import FORUM, Groups
from tests.loopback.telegram_markup import Refusal, check_keyboard, visible
from tests.loopback.telegram_methods import checked
from tests.loopback.telegram_webhook import Webhook

DOWNLOAD_LIMIT, UPLOAD_LIMIT, PHOTO_LIMIT = 20 << 20, 50 << 20, 10 << 20


@dataclass
class LoopbackTelegram:
    token: str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
    chats: set[int] = field(default_factory=lambda: {1, -100, FORUM})
    groups: Groups = field(default_factory=Groups)
    blocked: set[int] = field(default_factory=set)
    migrated: dict[int, int] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sent: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    long_photos: bool = False  # refuses every photo for its measures
    menus: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    shown: list[tuple[int, int | None]] = field(default_factory=list)
    """Where "typing..." was shown: chat and topic."""
    hears_everything: bool = False
    """In groups: BotFather's privacy mode is off."""
    written: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    """The messages of people, as they read now, by chat and number."""
    presses: set[str] = field(default_factory=set)
    answered: list[str] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    handed_out: list[int] = field(default_factory=list)
    polls_at_once: int = 0  # at most, of clients that were there
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    watch: Callable[[str, Mapping[str, Any], str], bool] = lambda method, params, stage: True
    """Is told of each call, ``asked`` before it is done and ``done`` before it is answered; False: that does not happen."""
    latency: float = 0.0
    """Seconds between doing what a call asks for and answering it."""
    journal: Journal = field(default_factory=Journal)
    """Every new message that was to be shown, also what was refused."""
    url: str = ""

    def __post_init__(self) -> None:
        self._queue: dict[int, dict[str, Any]] = {}
        self._next_update, self._next_message = 1000, 500
        self._news = asyncio.Condition()
        self._poller = 0
        self._polling: set[asyncio.Transport] = set()
        self._release = asyncio.Event()
        self.webhook = Webhook(self._queue, self.confirmed, self._news, _wanted)

    # --- what a test does

    async def push(self, **update: Any) -> int:
        """Queue one update and return its update_id; one that Telegram keeps back from the bot is only counted."""
        async with self._news:
            self._next_update += 1
            if not self._seen(update):
                return self._next_update
            self._queue[self._next_update] = {"update_id": self._next_update, **update}
            self._news.notify_all()
            return self._next_update

    def _seen(self, update: Mapping[str, Any]) -> bool:
        match update:
            case {"message": {"chat": {"id": int(chat)}, "message_id": int(number)} as message} | {
                "edited_message": {"chat": {"id": int(chat)}, "message_id": int(number)} as message
            }:
                self.written[chat, number] = dict(message)
                return self.groups.hears(chat, message, everything=self.hears_everything)
            case _:
                return True

    def fail(self, method: str, fault: Fault) -> None:
        self.faults[method].append(fault)

    @property
    def waiting(self) -> list[int]:
        """The updates that nobody has confirmed."""
        return list(self._queue)

    def number(self) -> int:
        """For the next message, of whomever."""
        self._next_message += 1
        return self._next_message

    # --- the server

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[LoopbackTelegram]:
        app = web.Application(client_max_size=UPLOAD_LIMIT + (1 << 16))
        app.router.add_post("/bot{token}/{method}", self._handle)
        app.router.add_get("/file/bot{token}/{path:.+}", self._download)
        runner = web.AppRunner(app, shutdown_timeout=0.01)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        calling = asyncio.create_task(self.webhook.run())
        try:
            yield self
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            self._release.set()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params = dict(await request.post()) if request.content_type != "application/json" else await request.json()
        self.calls.append((method, params))
        fault = self.faults[method].popleft() if self.faults[method] else Fault()
        if fault.drop:
            self._note(method, params, fault, stored=False)
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault.status:
            self._note(method, params, fault, stored=False)
            return _failed(fault)
        try:
            if request.match_info["token"] != self.token:
                raise Refusal(401, "Unauthorized")
            with self._counted(request) if method == "getUpdates" else nullcontext():
                if not self.watch(method, params, "asked"):
                    return web.Response()
                result = await self._do(method, checked(method, params))
            if not self.watch(method, params, "done"):
                return web.Response()
        except Refusal as refusal:
            self._note(method, params, fault, stored=False)
            body: dict[str, Any] = {"ok": False, "error_code": refusal.status, "description": refusal.description}
            return web.json_response(
                body | ({"parameters": refusal.parameters} if refusal.parameters else {}), status=refusal.status
            )
        self._note(method, params, fault, stored=True)
        await asyncio.sleep(self.latency)
        if fault.hang:
            await self._release.wait()
        if fault.cut:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"ok": True, "result": result})

    def _note(self, method: str, params: Mapping[str, Any], fault: Fault, *, stored: bool) -> None:
        chat, thread = params.get("chat_id"), params.get("message_thread_id")
        if method == "sendMessage":
            self.journal.note(chat, params.get("text"), fault, stored=stored, thread=thread)
        elif isinstance(upload := params.get("photo", params.get("document")), web.FileField):
            upload.file.seek(0)
            name, content = upload.filename, upload.file.read()
            caption = params.get("caption", "")
            self.journal.note(chat, caption, fault, stored=stored, thread=thread, file=name, content=content)

    @contextmanager
    def _counted(self, request: web.Request) -> Iterator[None]:
        """A client that has died waits no longer, although its request is still being held."""
        mine = request.transport
        assert mine is not None
        self._polling = {other for other in self._polling if not other.is_closing()} | {mine}
        self.polls_at_once = max(self.polls_at_once, len(self._polling))
        try:
            yield
        finally:
            self._polling.discard(mine)

    async def _do(self, method: str, params: dict[str, Any]) -> object:
        match method:
            case "getMe":
                me = {"id": 42, "is_bot": True, "first_name": "Firstline", "username": "firstline_bot"}
                return me | {"can_join_groups": True, "can_read_all_group_messages": self.hears_everything}
            case "getUpdates":
                return await self._updates(params)
            case "sendMessage":
                return self._send(params)
            case "sendPhoto" | "sendDocument":
                return self._send_file(method, params)
            case "getFile":
                return self._file(params["file_id"])
            case "editMessageText":
                return self._edit(params)
            case "editMessageReplyMarkup":
                return self._edit_buttons(params)
            case "sendChatAction":
                return self._show(params)
            case "setMyCommands":
                return self._menu(params)
            case "setWebhook":
                return self.webhook.set(params)
            case "deleteWebhook":
                return self.webhook.delete(params)
            case "getWebhookInfo":
                return self.webhook.info()
            case "getChat":
                return self.groups.chat(self._chat(params["chat_id"]))
            case "getChatMember":
                return self.groups.member(self._chat(params["chat_id"]), params["user_id"])
            case "getChatAdministrators":
                return self.groups.administrators(self._chat(params["chat_id"]))
            case "answerCallbackQuery":
                return self._answer(params)
            case "createForumTopic" | "closeForumTopic" | "reopenForumTopic" | "setMessageReaction" | "pinChatMessage":
                return self._in_group(method, self._chat(params["chat_id"]), params)
            case _:
                raise NotImplementedError(method)

    def _file(self, file_id: str) -> dict[str, Any]:
        content = self.files.get(file_id)
        if content is None:
            raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(content) > DOWNLOAD_LIMIT:
            raise Refusal(400, "Bad Request: file is too big")
        path = f"documents/{file_id} ü.bin"  # nobody promises that it needs no escaping
        return {"file_id": file_id, "file_unique_id": "u", "file_size": len(content), "file_path": path}

    async def _download(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults["download"].popleft() if self.faults["download"] else Fault()
        if fault.status:
            return web.Response(status=fault.status)
        file_id = request.match_info["path"].removeprefix("documents/").removesuffix(" ü.bin")
        if request.match_info["token"] != self.token or file_id not in self.files:
            return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)
        return await sent_out(request, self.files[file_id], fault)

    async def _updates(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook.url:
            raise Refusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            )
        self._poller += 1
        mine, until = self._poller, asyncio.get_running_loop().time() + params.get("timeout", 0)
        async with self._news:
            self._news.notify_all()
            for number in [n for n in self._queue if n < params.get("offset", 0)]:
                del self._queue[number]
                self.confirmed.append(number)
            while True:
                if mine != self._poller:
                    raise Refusal(409, "Conflict: terminated by other getUpdates request")
                every = (u for u in self._queue.values() if _wanted(u, params["allowed_updates"]))
                batch = list(islice(every, params.get("limit", 100)))
                left = until - asyncio.get_running_loop().time()
                if batch or left <= 0:
                    self.handed_out += [update["update_id"] for update in batch if "update_id" in update]
                    return batch
                try:
                    async with asyncio.timeout(left):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def _send(self, params: dict[str, Any]) -> dict[str, Any]:
        chat = self._place(params)
        return self._store(chat, self.number(), params)

    def _send_file(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Refuses what Telegram documents that it refuses: nothing in it, too much, no picture, too long a caption."""
        chat = self._place(params)
        upload = params.pop("photo" if method == "sendPhoto" else "document")
        content = upload.file.read()
        if not content:
            raise Refusal(400, "Bad Request: file must be non-empty")
        if method == "sendPhoto":
            if len(content) > PHOTO_LIMIT:
                raise Refusal(400, "Bad Request: too big for a photo")
            if not content.startswith((b"\xff\xd8\xff", b"\x89PNG")):
                raise Refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")
            if self.long_photos:
                raise Refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
        caption = self._text(params, params.get("caption", ""), 1024)
        number = self.number()
        file = {"method": method, "name": upload.filename, "content": content}
        self.sent[chat, number] = {"text": caption, "params": params, "file": file}
        return {"message_id": number, "date": 1700000000, "chat": {"id": chat, "type": "private"}, "caption": caption}

    def _place(self, params: dict[str, Any]) -> int:
        chat = self._chat(params["chat_id"])
        topic = params.get("message_thread_id")
        self.groups.check_place(chat, topic)
        quoted = params.get("reply_parameters", {})
        if (
            quoted
            and (chat, quoted.get("message_id")) not in self.sent
            and not quoted.get("allow_sending_without_reply")
        ):
            raise Refusal(400, "Bad Request: message to be replied not found")
        return chat

    def _edit(self, params: dict[str, Any]) -> dict[str, Any]:
        chat = self._chat(params["chat_id"])
        before = self.sent.get((chat, params["message_id"]))
        if before is None:
            raise Refusal(400, "Bad Request: message to edit not found")
        if before["params"]["text"] == params["text"] and before["params"].get("reply_markup") == params.get(
            "reply_markup"
        ):
            raise Refusal(400, "Bad Request: message is not modified")
        thread = before["params"].get("message_thread_id")
        return self._store(chat, params["message_id"], params | ({"message_thread_id": thread} if thread else {}))

    def _edit_buttons(self, params: dict[str, Any]) -> dict[str, Any]:
        chat = self._chat(params["chat_id"])
        before = self.sent.get((chat, params["message_id"]))
        if before is None:
            raise Refusal(400, "Bad Request: message to edit not found")
        check_keyboard(params.get("reply_markup"))
        if before["params"].get("reply_markup") == params.get("reply_markup"):
            raise Refusal(400, "Bad Request: message is not modified")
        before["params"]["reply_markup"] = params.get("reply_markup")
        return {"message_id": params["message_id"], "date": 1700000000, "chat": {"id": chat, "type": "private"}}

    def _show(self, params: dict[str, Any]) -> bool:
        chat = self._place(params)
        if params["action"] not in {action.value for action in ChatAction}:
            raise Refusal(400, "Bad Request: wrong parameter action in request")
        self.shown.append((chat, params.get("message_thread_id")))
        return True

    def _menu(self, params: dict[str, Any]) -> bool:
        language = params.get("language_code", "")
        if not re.fullmatch("[a-z]{2}|", language):
            raise Refusal(400, "Bad Request: invalid language code specified")
        if len(params["commands"]) > 100:
            raise Refusal(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        for command in params["commands"]:
            if set(command) != {"command", "description"} or not re.fullmatch("[a-z0-9_]{1,32}", command["command"]):
                raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 0 < len(command["description"]) <= 256:
                raise Refusal(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        match params.get("scope", {"type": "default"}):
            case {"type": "default"}:
                self.menus[language] = params["commands"]
            case {"type": "chat", "chat_id": int(chat)}:
                self.menus[str(self._chat(chat))] = params["commands"]
            case _:
                raise Refusal(400, "Bad Request: unsupported scope specified")
        return True

    def _store(self, chat: int, number: int, params: dict[str, Any]) -> dict[str, Any]:
        text = self._text(params, params["text"], 4096)
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        self.sent[chat, number] = {"text": text, "params": params}
        return {"message_id": number, "date": 1700000000, "chat": {"id": chat, "type": "private"}, "text": text}

    def _text(self, params: dict[str, Any], text: str, limit: int) -> str:
        if params.get("parse_mode", "HTML") != "HTML":
            raise Refusal(400, "Bad Request: unsupported parse_mode")
        text = visible(text) if "parse_mode" in params else text
        if len(text.encode("utf-16-le")) // 2 > limit:
            raise Refusal(400, f"Bad Request: message {'caption ' if limit < 4096 else ''}is too long")
        check_keyboard(params.get("reply_markup"))
        return text

    def _in_group(self, method: str, chat: int, params: dict[str, Any]) -> object:
        match method:
            case "createForumTopic":
                return self.groups.create(chat, params, self.number())
            case "setMessageReaction":
                return self.groups.react(chat, params, self.written.keys() | self.sent.keys())
            case "pinChatMessage":
                return self.groups.pin(chat, params["message_id"], self.sent)
            case _:
                return self.groups.close(chat, params["message_thread_id"], closed=method == "closeForumTopic")

    def _answer(self, params: dict[str, Any]) -> bool:
        if params["callback_query_id"] not in self.presses:
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.answered.append(params["callback_query_id"])
        return True

    def _chat(self, chat: int) -> int:
        if chat in self.migrated:
            raise Refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=self.migrated[chat],
            )
        if chat not in self.chats:
            raise Refusal(400, "Bad Request: chat not found")
        if chat in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        return chat


def _failed(fault: Fault) -> web.Response:
    if fault.html:
        return web.Response(status=fault.status, text="<html>gateway</html>", content_type="text/html")
    body: dict[str, Any] = {"ok": False, "error_code": fault.status, "description": "made to fail"}
    if fault.retry_after:
        body["parameters"] = {"retry_after": fault.retry_after}
    return web.json_response(body, status=fault.status)


_DOCUMENTED = frozenset(kind.value for kind in UpdateType)


def _wanted(update: Mapping[str, Any], allowed: list[str]) -> bool:
    """Telegram sends what was asked for; an update of no documented kind stands for one of a later API."""
    documented = set(update) & _DOCUMENTED
    return not documented or bool(documented & set(allowed))
