"""A strict Bot API server on the loopback interface: it refuses what Telegram refuses, and remembers what arrived.

It must not know the adapter. It is stricter than Telegram in one thing: getUpdates without allowed_updates is refused.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from telegram.constants import UpdateType

from tests.loopback.downloads import sent_out
from tests.loopback.faults import Fault
from tests.loopback.telegram_markup import Refusal, check_keyboard, visible

Kind = Literal["integer", "string", "boolean", "list", "object", "chat", "file"]

_CAPTIONED: Mapping[str, tuple[Kind, bool]] = {
    "chat_id": ("chat", True),
    "message_thread_id": ("integer", False),
    "caption": ("string", False),
    "parse_mode": ("string", False),
    "disable_notification": ("boolean", False),
    "protect_content": ("boolean", False),
    "reply_parameters": ("object", False),
    "reply_markup": ("object", False),
}
DOWNLOAD_LIMIT, UPLOAD_LIMIT, PHOTO_LIMIT = 20 << 20, 50 << 20, 10 << 20

# method -> argument -> (kind, required); what Bot API 10.0 documents for the methods that the adapter may use
METHODS: Mapping[str, Mapping[str, tuple[Kind, bool]]] = {
    "getMe": {},
    "getUpdates": {
        "offset": ("integer", False),
        "limit": ("integer", False),
        "timeout": ("integer", False),
        "allowed_updates": ("list", True),
    },
    "sendMessage": {
        "chat_id": ("chat", True),
        "message_thread_id": ("integer", False),
        "text": ("string", True),
        "parse_mode": ("string", False),
        "link_preview_options": ("object", False),
        "disable_notification": ("boolean", False),
        "protect_content": ("boolean", False),
        "reply_parameters": ("object", False),
        "reply_markup": ("object", False),
    },
    "sendPhoto": {"photo": ("file", True), **_CAPTIONED, "has_spoiler": ("boolean", False)},
    "sendDocument": {
        "document": ("file", True),
        **_CAPTIONED,
        "disable_content_type_detection": ("boolean", False),
    },
    "getFile": {"file_id": ("string", True)},
    "editMessageText": {
        "chat_id": ("chat", True),
        "message_id": ("integer", True),
        "text": ("string", True),
        "parse_mode": ("string", False),
        "link_preview_options": ("object", False),
        "reply_markup": ("object", False),
    },
    "answerCallbackQuery": {
        "callback_query_id": ("string", True),
        "text": ("string", False),
        "show_alert": ("boolean", False),
        "url": ("string", False),
        "cache_time": ("integer", False),
    },
}


@dataclass
class LoopbackTelegram:
    token: str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
    chats: set[int] = field(default_factory=lambda: {1, -100})
    topics: set[tuple[int, int]] = field(default_factory=lambda: {(-100, 7)})
    blocked: set[int] = field(default_factory=set)
    migrated: dict[int, int] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sent: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    long_photos: bool = False  # refuses every photo for its measures
    presses: set[str] = field(default_factory=set)
    answered: list[str] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    handed_out: list[int] = field(default_factory=list)
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    url: str = ""

    def __post_init__(self) -> None:
        self._queue: dict[int, dict[str, Any]] = {}
        self._next_update, self._next_message = 1000, 500
        self._news = asyncio.Condition()
        self._poller = 0
        self._release = asyncio.Event()

    # --- what a test does

    async def push(self, **update: Any) -> int:
        """Queue one update and return its update_id."""
        async with self._news:
            self._next_update += 1
            self._queue[self._next_update] = {"update_id": self._next_update, **update}
            self._news.notify_all()
            return self._next_update

    def fail(self, method: str, fault: Fault) -> None:
        self.faults[method].append(fault)

    @property
    def waiting(self) -> list[int]:
        """The updates that nobody has confirmed."""
        return list(self._queue)

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
        try:
            yield self
        finally:
            self._release.set()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params = dict(await request.post()) if request.content_type != "application/json" else await request.json()
        self.calls.append((method, params))
        fault = self.faults[method].popleft() if self.faults[method] else Fault()
        if fault.drop:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault.status:
            return _failed(fault)
        try:
            if request.match_info["token"] != self.token:
                raise Refusal(401, "Unauthorized")
            result = await self._do(method, _checked(method, params))
        except Refusal as refusal:
            body: dict[str, Any] = {"ok": False, "error_code": refusal.status, "description": refusal.description}
            return web.json_response(
                body | ({"parameters": refusal.parameters} if refusal.parameters else {}), status=refusal.status
            )
        if fault.hang:
            await self._release.wait()
        return web.json_response({"ok": True, "result": result})

    async def _do(self, method: str, params: dict[str, Any]) -> object:
        match method:
            case "getMe":
                return {"id": 42, "is_bot": True, "first_name": "Firstline", "username": "firstline_bot"}
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
            case _:
                return self._answer(params)

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
                wanted = [u for u in self._queue.values() if _wanted(u, params["allowed_updates"])]
                left = until - asyncio.get_running_loop().time()
                if wanted or left <= 0:
                    batch = wanted[: params.get("limit", 100)]
                    self.handed_out += [update["update_id"] for update in batch if "update_id" in update]
                    return batch
                try:
                    async with asyncio.timeout(left):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def _send(self, params: dict[str, Any]) -> dict[str, Any]:
        chat = self._place(params)
        self._next_message += 1
        return self._store(chat, self._next_message, params)

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
        self._next_message += 1
        number = self._next_message
        file = {"method": method, "name": upload.filename, "content": content}
        self.sent[chat, number] = {"text": caption, "params": params, "file": file}
        return {"message_id": number, "date": 1700000000, "chat": {"id": chat, "type": "private"}, "caption": caption}

    def _place(self, params: dict[str, Any]) -> int:
        chat = self._chat(params["chat_id"])
        topic = params.get("message_thread_id")
        if topic is not None and (chat, topic) not in self.topics:
            raise Refusal(400, "Bad Request: message thread not found")
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
        return self._store(chat, params["message_id"], params)

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


def _wanted(update: Mapping[str, Any], allowed: list[str]) -> bool:
    """Telegram sends what was asked for; an update of no documented kind stands for one of a later API."""
    documented = set(update) & {kind.value for kind in UpdateType}
    return not documented or bool(documented & set(allowed))


def _checked(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    if method not in METHODS:
        raise Refusal(404, "Not Found")
    known = METHODS[method]
    if unknown := set(params) - set(known):
        raise Refusal(400, f"Bad Request: unknown arguments {sorted(unknown)}")
    if missing := {name for name, (_, required) in known.items() if required} - set(params):
        raise Refusal(400, f"Bad Request: missing arguments {sorted(missing)}")
    return {name: _value(name, known[name][0], value) for name, value in params.items()}


def _value(name: str, kind: Kind, value: Any) -> Any:
    """An argument comes as JSON, or as a form field that holds JSON."""
    if kind == "file":
        # By its id or by an address would do, too, for Telegram; but not for what only we have.
        if not isinstance(value, web.FileField):
            raise Refusal(400, f"Bad Request: there is no {name} in the request")
        return value
    types: dict[str, type] = {"integer": int, "chat": int, "boolean": bool, "list": list, "object": dict, "string": str}
    if kind != "string" and isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise Refusal(400, f"Bad Request: can't parse {name}") from None
    if not isinstance(value, types[kind]) or (kind in {"integer", "chat"} and isinstance(value, bool)):
        raise Refusal(400, f"Bad Request: {name} must be of type {kind}")
    return value
