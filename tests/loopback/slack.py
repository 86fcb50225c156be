"""A strict Slack on the loopback interface: Web API and Socket Mode. It refuses what Slack refuses and remembers what arrived.

It must not know the adapter. It is stricter than Slack in two things: unknown arguments and unescaped text are refused.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from aiohttp import WSMsgType, web

from tests.loopback.downloads import sent_out
from tests.loopback.faults import Fault
from tests.loopback.journal import Journal
from tests.loopback.slack_blocks import Refusal, check_blocks, check_escapes, check_metadata, check_view
from tests.loopback.slack_http import Caller
from tests.loopback.slack_methods import METHODS, check_arguments, decoded

TEAM, BOT_USER = "T0FIRST", "U0BOT"

SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:write",
        "mpim:history",
        "reactions:write",
        "users:read",
    }
)


UPLOAD_LIMIT = 1 << 30
EMOJI = frozenset({"hourglass_flowing_sand", "memo", "white_check_mark", "x", "eyes", "+1"})
"""Some of those that every workspace has."""
LONGEST_PATIENCE = 30.0


@dataclass
class LoopbackSlack:
    bot_token: str = "xoxb-loopback"
    app_token: str = "xapp-loopback"
    config_token: str = "xoxe.xoxp-loopback"
    scopes: frozenset[str] = SCOPES
    people: dict[str, str] = field(default_factory=dict)  # user -> name
    manifest: dict[str, Any] = field(default_factory=dict)  # what the app was made from, for apps.manifest.export
    socket_mode: bool = True
    caller: Caller | None = None  # deliver over HTTP through it, instead of a socket
    channels: set[str] = field(default_factory=lambda: {"D1", "C1"})
    archived: set[str] = field(default_factory=set)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)  # shared by people: id -> what files.info tells
    contents: dict[str, bytes] = field(default_factory=dict)
    shared: list[dict[str, Any]] = field(default_factory=list)  # by us: name, content, channel, thread, comment
    may_read: bool = True  # the scope files:read
    sign_in: bool = False  # downloads show a page to sign in instead
    left: set[str] = field(default_factory=set)  # channels that the app is no member of
    members: dict[str, list[str]] = field(default_factory=dict)  # channel -> users, the app left out
    about: dict[str, dict[str, Any]] = field(default_factory=dict)  # channel -> what conversations.info tells besides
    written: dict[tuple[str, str], dict[str, Any]] = field(
        default_factory=dict
    )  # (channel, ts) -> what people have said
    reactions: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (channel, ts) -> ours, in their order
    triggers: set[str] = field(default_factory=set)  # given out with presses
    exchanged: set[str] = field(default_factory=set)  # used up
    views: dict[str, dict[str, Any]] = field(default_factory=dict)  # trigger -> the form that it has opened
    gravestones: set[tuple[str, str]] = field(default_factory=set)  # of roots that had answers
    ack_within: float = 0.15  # Slack gives 3 s, and tries again at once, after a minute and after five
    patience: float = 1.0  # by which factor that grows with each attempt, up to LONGEST_PATIENCE
    attempts: int = 20
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sent: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    homes: dict[str, dict[str, Any]] = field(default_factory=dict)  # user -> the view of the home tab
    delivered: list[str] = field(default_factory=list)  # event ids, each time that one was sent out
    acknowledged: list[str] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    deaf: bool = False  # accepts sockets and never says a word
    pick: Callable[[Sequence[web.WebSocketResponse]], web.WebSocketResponse] = itemgetter(-1)
    """Which of several sockets gets an event."""
    latency: float = 0.0
    """Seconds between doing what a call asks for and answering it."""
    journal: Journal = field(default_factory=Journal)
    """Every new message that was to be shown, also what was refused."""
    url: str = ""

    def __post_init__(self) -> None:
        self._tickets: set[str] = set()
        self._uploads: dict[str, dict[str, Any]] = {}
        self._acks: dict[str, asyncio.Event] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._count = itertools.count(1)
        self._connected = asyncio.Condition()
        self._release = asyncio.Event()
        self._line = asyncio.Lock()
        self._deaf: list[web.WebSocketResponse] = []

    # --- what a test does

    def push(self, payload: Any, *, kind: str = "events_api", name: str | None = None) -> str:
        """Deliver ``payload`` until it is acknowledged; returns the name under which the lists show it."""
        name = name or f"Ev{next(self._count)}"
        self._remember(payload)
        task = asyncio.create_task(self._deliver(name, payload, kind))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        return name

    def _remember(self, payload: Any) -> None:
        """What people have written is there, so that it can be reacted to."""
        match payload:
            case {
                "event": {"type": "message" | "app_mention", "channel": str(channel), "ts": str(ts), **more} as event
            } if "subtype" not in more or more["subtype"] == "file_share":
                self.written[channel, ts] = event
            case {"event": {"subtype": "message_changed", "channel": str(channel), "message": {"ts": str(ts)} as now}}:
                self.written[channel, ts] = now

    @property
    def delivering(self) -> bool:
        """Whether something is still to be acknowledged."""
        return bool(self._deliveries)

    async def settle(self) -> None:
        """Wait until everything pushed is acknowledged or given up."""
        while self._deliveries:
            await asyncio.gather(*self._deliveries)

    def ts(self) -> str:
        """One for a new message, later than all before."""
        return f"1700000000.{next(self._count):06d}"

    def delete(self, channel: str, ts: str) -> dict[str, Any]:
        """Somebody deletes a message of the app's; the event that tells of it. With answers below it, a gravestone is left."""
        gone = self.sent.pop((channel, ts))
        before = {"type": "message", "user": BOT_USER, "bot_id": "B0BOT", "team": TEAM, "ts": ts, "text": gone["text"]}
        if "thread_ts" in gone:
            before["thread_ts"] = gone["thread_ts"]
        event = {
            "type": "message",
            "channel": channel,
            "channel_type": "channel",
            "hidden": True,
            "previous_message": before,
        }
        if any(where == channel and m.get("thread_ts") == ts for (where, _), m in self.sent.items()):
            self.gravestones.add((channel, ts))
            stone = {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "ts": ts, "hidden": True}
            return event | {"subtype": "message_changed", "message": stone | {"text": "This message was deleted."}}
        return event | {"subtype": "message_deleted", "deleted_ts": ts}

    async def send_raw(self, frame: str) -> None:
        await (await self._socket()).send_str(frame)

    async def hang_up(self) -> None:
        """Close the sockets without a warning."""
        for socket in self.sockets:
            await socket.close()

    async def break_off(self) -> None:
        """Cut the deaf sockets off without a word."""
        for socket in self._deaf:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()

    def fail(self, method: str, fault: Fault) -> None:
        self.faults[method].append(fault)

    # --- the server

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[LoopbackSlack]:
        app = web.Application(client_max_size=UPLOAD_LIMIT)
        app.router.add_post("/api/{method}", self._handle)
        app.router.add_get("/api/{method}", self._handle)
        app.router.add_post("/upload/v1/{file}", self._upload)
        app.router.add_get("/files-pri/{file}", self._download)
        app.router.add_get("/link", self._link)
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
            for task in self._deliveries:
                task.cancel()
            await asyncio.gather(*self._deliveries, return_exceptions=True)
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        json_ = request.content_type == "application/json"
        params: dict[str, Any] = await request.json() if json_ else {**request.query, **await request.post()}
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
            if method in METHODS and not json_:
                params = decoded(METHODS[method], params)
            elif method in METHODS and not METHODS[method].json:
                params = {}  # Slack does not see them
            answer = self._do(method, params, request.headers.get("Authorization", "").removeprefix("Bearer "))
        except Refusal as refusal:
            answer = {"ok": False, "error": str(refusal)}
        self._note(method, params, fault, stored="error" not in answer)
        await asyncio.sleep(self.latency)
        if fault.hang:
            await self._release.wait()
        if fault.cut:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"ok": True, **answer}, headers={"x-oauth-scopes": ",".join(sorted(self.scopes))})

    def _note(self, method: str, params: Mapping[str, Any], fault: Fault, *, stored: bool) -> None:
        if method == "chat.postMessage":
            thread = params.get("thread_ts")
            self.journal.note(params.get("channel"), params.get("text"), fault, stored=stored, thread=thread)
        elif method == "files.completeUploadExternal" and stored:
            for shared in self.shared[-len(params["files"]) :]:
                thread, name, content = shared["thread_ts"], shared["name"], shared["content"]
                self.journal.note(
                    shared["channel"], shared["comment"], fault, stored=True, thread=thread, file=name, content=content
                )

    def _do(self, method: str, params: dict[str, Any], token: str) -> dict[str, Any]:
        if method not in METHODS:
            raise Refusal("unknown_method")
        wanted = {"apps.connections.open": self.app_token, "apps.manifest.export": self.config_token}
        if token != wanted.get(method, self.bot_token):
            other = token in (self.bot_token, self.app_token, self.config_token)
            raise Refusal("not_allowed_token_type" if other else "invalid_auth")
        known = METHODS[method]
        if known.scopes and not known.scopes & self.scopes:
            raise Refusal("missing_scope")
        check_arguments(known, params)
        match method:
            case "auth.test":
                return {
                    "team_id": TEAM,
                    "user_id": BOT_USER,
                    "bot_id": "B0BOT",
                    "team": "Loopback",
                    "user": "firstline",
                }
            case "apps.connections.open":
                if not self.socket_mode:
                    raise Refusal("socket_mode_disabled")
                ticket = f"ticket{next(self._count)}"
                self._tickets.add(ticket)
                return {"url": f"{self.url.replace('http', 'ws', 1)}/link?ticket={ticket}"}
            case "files.getUploadURLExternal":
                if params["length"] < 1:
                    raise Refusal("missing_argument")
                file = f"FUP{next(self._count)}"
                self._uploads[file] = {"name": params["filename"], "length": params["length"]}
                return {"upload_url": f"{self.url}/upload/v1/{file}", "file_id": file}
            case "files.completeUploadExternal":
                return self._complete(params)
            case "files.info":
                if not self.may_read:
                    raise Refusal("missing_scope")
                if params["file"] not in self.files:
                    raise Refusal("file_not_found")
                return {"file": self.files[params["file"]]}
            case "users.info":
                if params["user"] not in self.people:
                    raise Refusal("user_not_found")
                name = self.people[params["user"]]
                return {"user": {"id": params["user"], "profile": {"display_name": name, "real_name": name}}}
            case "conversations.open":
                channel = "D" + params["users"].removeprefix("U")
                self.channels.add(channel)
                return {"channel": {"id": channel}}
            case "conversations.info":
                if params["channel"] not in self.channels:
                    raise Refusal("channel_not_found")
                member = params["channel"] not in self.left
                about = self.about.get(params["channel"], {})
                return {"channel": {"id": params["channel"], "name": "hilfe", "is_member": member, **about}}
            case "conversations.members":
                return self._members(params)
            case "reactions.add" | "reactions.remove":
                return self._react(params, add=method == "reactions.add")
            case "conversations.history" | "conversations.replies":
                return self._history(params["channel"], params.get("ts"))
            case "views.publish":
                check_view(params["view"])
                self.homes[params["user_id"]] = params["view"]
                return {"view": {"id": "V1", "hash": "1.2", **params["view"]}}
            case "views.open":
                return self._open_view(params)
            case "apps.manifest.export":
                return {"manifest": self.manifest}
            case "chat.postMessage":
                return self._store(params, self.ts(), 40_000)
            case _:
                before = self.sent.get((params["channel"], params["ts"]))
                if before is None:
                    raise Refusal("message_not_found")
                below = {"thread_ts": before["thread_ts"]} if "thread_ts" in before else {}
                return self._store({**params, **below}, params["ts"], 4_000)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(("upload", {}))
        fault = self.faults["upload"].popleft() if self.faults["upload"] else Fault()
        if fault.status:
            return web.Response(status=fault.status)
        upload = self._uploads.get(request.match_info["file"])
        content = await request.read()
        if upload is None or "Authorization" in request.headers or len(content) != upload["length"]:
            return web.Response(status=400, text="not what was asked for")
        upload["content"] = content
        return web.Response(text=f"OK - {len(content)}")

    def _complete(self, params: dict[str, Any]) -> dict[str, Any]:
        """Every file once, and only when all of it has been uploaded."""
        channel = self._channel(params["channel_id"])
        if not re.fullmatch(r"\d{10}\.\d{6}", params.get("thread_ts", "1700000000.000000")):
            raise Refusal("invalid_thread_ts")
        check_escapes(params.get("initial_comment", ""))
        for file in params["files"]:
            if set(file) - {"id", "title", "highlight_type"} or "content" not in self._uploads.get(file["id"], {}):
                raise Refusal("file_not_found")
        for index, file in enumerate(params["files"]):
            comment = params.get("initial_comment", "") if index == 0 else ""
            where = {"channel": channel, "thread_ts": params.get("thread_ts"), "comment": comment, "ts": self.ts()}
            self.shared.append(self._uploads.pop(file["id"]) | where)
        return {"files": [{"id": file["id"], "title": file.get("title", "")} for file in params["files"]]}

    async def _download(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults["download"].popleft() if self.faults["download"] else Fault()
        if fault.status:
            return web.Response(status=fault.status)
        if request.headers.get("Authorization") != f"Bearer {self.bot_token}" or self.sign_in:
            return web.Response(text="<html>Sign in</html>", content_type="text/html")  # with status 200, as Slack does
        return await sent_out(request, self.contents[request.match_info["file"]], fault)

    def _history(self, channel: str, thread: str | None) -> dict[str, Any]:
        """Newest first in a channel, oldest first in a thread; what was said in a thread is not said in the channel."""
        if channel not in self.channels:
            raise Refusal("channel_not_found")
        found = [
            {"type": "message", "ts": ts, "bot_id": "B0BOT", **message}
            for (where, ts), message in self.sent.items()
            if where == channel and message.get("thread_ts") == thread
        ]
        return {"messages": found if thread else found[::-1], "response_metadata": {"next_cursor": ""}}

    def _open_view(self, params: dict[str, Any]) -> dict[str, Any]:
        trigger = params["trigger_id"]
        if trigger in self.exchanged:
            raise Refusal("exchanged_trigger_id")
        if trigger not in self.triggers:
            raise Refusal("expired_trigger_id")
        check_view(params["view"])
        self.exchanged.add(trigger)
        view = {"id": f"V{next(self._count)}", **params["view"]}
        self.views[trigger] = view
        return {"view": view}

    def _members(self, params: dict[str, Any]) -> dict[str, Any]:
        """One at a time, whatever is asked for, as Slack may give fewer than that."""
        if params["channel"] not in self.channels:
            raise Refusal("channel_not_found")
        users = [*self.members.get(params["channel"], []), BOT_USER]
        start = int(params.get("cursor") or 0)
        more = str(start + 1) if start + 1 < len(users) else ""
        return {"members": users[start : start + 1], "response_metadata": {"next_cursor": more}}

    def _react(self, params: dict[str, Any], *, add: bool) -> dict[str, Any]:
        item = self._channel(params["channel"]), params["timestamp"]
        if not re.fullmatch(r"\d{10}\.\d{6}", params["timestamp"]):
            raise Refusal("bad_timestamp")
        if params["name"] not in EMOJI:
            raise Refusal("invalid_name")
        if item not in self.written and item not in self.sent:
            raise Refusal("message_not_found")
        shown = self.reactions.setdefault(item, [])
        if add and params["name"] in shown:
            raise Refusal("already_reacted")
        if not add and params["name"] not in shown:
            raise Refusal("no_reaction")
        (shown.append if add else shown.remove)(params["name"])
        return {}

    def _channel(self, channel: str) -> str:
        if channel not in self.channels:
            raise Refusal("channel_not_found")
        if channel in self.archived:
            raise Refusal("is_archived")
        return channel

    def _store(self, params: dict[str, Any], ts: str, limit: int) -> dict[str, Any]:
        self._channel(params["channel"])
        if not re.fullmatch(r"\d{10}\.\d{6}", params.get("thread_ts", ts)):
            raise Refusal("invalid_thread_ts")
        if not params["text"].strip():
            raise Refusal("no_text")
        if len(params["text"]) > limit:
            raise Refusal("msg_too_long")
        check_escapes(params["text"])
        check_blocks(params.get("blocks", []))
        check_metadata(params.get("metadata"))
        self.sent[params["channel"], ts] = params
        return {"channel": params["channel"], "ts": ts, "message": {"ts": ts, "text": params["text"]}}

    # --- Socket Mode

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse(autoping=not self.deaf)
        await socket.prepare(request)
        if self.deaf:
            self._deaf.append(socket)
            await self._release.wait()
            return socket
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}})
        async with self._connected:
            self.sockets.append(socket)
            self._connected.notify_all()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    envelope = json.loads(message.data)["envelope_id"]
                    self._acks[envelope].set()
        finally:
            self.sockets.remove(socket)
        return socket

    async def _socket(self) -> web.WebSocketResponse:
        async with self._connected:
            await self._connected.wait_for(lambda: bool(self.sockets))
            return self.pick(self.sockets)

    async def _call(self, caller: Caller, name: str, payload: Any, kind: str) -> None:
        async with self._line:  # one after the other, or they would overtake each other already on the way
            self.delivered.append(name)
            if await caller.deliver(payload, kind) is not None:
                self.acknowledged.append(name)

    async def _deliver(self, name: str, payload: Any, kind: str) -> None:
        if self.caller is not None:
            await self._call(self.caller, name, payload, kind)
            return
        acked, within = asyncio.Event(), self.ack_within
        for attempt in range(self.attempts):
            envelope = f"{name}-{attempt}"
            self._acks[envelope] = acked
            frame: dict[str, Any] = {
                "type": kind,
                "envelope_id": envelope,
                "payload": payload,
                "accepts_response_payload": False,
            }
            if attempt:
                frame |= {"retry_attempt": attempt, "retry_reason": "timeout"}
            with suppress(ConnectionError):
                await (await self._socket()).send_json(frame)
                self.delivered.append(name)
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await acked.wait()
                    self.acknowledged.append(name)
                    return
            within = min(LONGEST_PATIENCE, within * self.patience)


def _failed(fault: Fault) -> web.Response:
    if fault.html:
        return web.Response(status=fault.status, text="<html>gateway</html>", content_type="text/html")
    errors = {429: "ratelimited", 500: "internal_error", 503: "service_unavailable"}
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
    body = {"ok": False, "error": errors.get(fault.status, "fatal_error")}
    return web.json_response(body, status=fault.status, headers=headers)
