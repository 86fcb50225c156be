"""Slack as the contract sees it: payloads as Slack documents them (samples, not recordings).

It must not know what the contract demands.
"""

from __future__ import annotations

import asyncio
import html
import itertools
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from adapters.slack import SlackAdapter
from bot.model import ChatRef
from bot.storage.files import Folder
from tests.adapters.platforms import TIMEOUT, Platform
from tests.loopback.faults import Fault
from tests.loopback.slack import BOT_USER, TEAM, LoopbackSlack
from tests.loopback.slack_http import SECRET


class Slack(Platform):
    chat = ChatRef("slack", f"{TEAM}:D1")
    thread = ChatRef("slack", f"{TEAM}:C1", "1600000000.000007")
    unknown = ChatRef("slack", f"{TEAM}:C999")

    def __init__(self, server: LoopbackSlack, files: Folder) -> None:
        self.server, self.files = server, files
        self._numbers = itertools.count(10)
        self._made: list[SlackAdapter] = []

    def adapter(self, *, url: str | None = None, token: str | None = None, **more: Any) -> SlackAdapter:
        api = f"{url or self.server.url}/api/"
        app_token = None if "signing_secret" in more else self.server.app_token
        adapter = SlackAdapter(
            token or self.server.bot_token,
            app_token,
            files=self.files,
            base_url=api,
            timeout=TIMEOUT,
            pause=0.05,
            **more,
        )
        self._made.append(adapter)
        return adapter

    async def aclose(self) -> None:
        """Close every adapter that was made."""
        for adapter in self._made:
            await adapter.close()

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
        self.server.push(self.event(html.escape(text, quote=False), message_id))

    async def say_with_file(self, text: str, name: str, media_type: str, content: bytes) -> None:
        ref = f"F{next(self._numbers)}"
        address = f"{self.server.url}/files-pri/{ref}"
        about = {"id": ref, "name": name, "mimetype": media_type, "size": len(content), "mode": "hosted"}
        self.server.files[ref] = about | {"url_private": address, "url_private_download": address}
        self.server.contents[ref] = content
        self.server.push(self.event(text, self._ts(), subtype="file_share", files=[about]))

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

    async def press(self, message_id: str, label: str, action: str, *, shown: Mapping[str, Any] | None = None) -> None:
        pressed = self.pressed("D1", message_id, action, user="U5", label=label, shown=shown)
        self.server.push(pressed, kind="interactive")

    def pressed(
        self,
        channel: str,
        message_id: str,
        action: str,
        *,
        user: str = "U7",
        label: str = "?",
        shown: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The payload of a press; each has a trigger of its own."""
        number = next(self._numbers)
        button = {
            "type": "button",
            "action_id": f"0:{action}",
            "block_id": "b",
            "value": action,
            "action_ts": self._ts(),
        }
        return {
            "type": "block_actions",
            "team": {"id": TEAM, "domain": "loopback"},
            "user": {"id": user, "username": "ada", "name": "ada", "team_id": TEAM},
            "api_app_id": "A1",
            "container": {"type": "message", "message_ts": message_id, "channel_id": channel, "is_ephemeral": False},
            "trigger_id": f"{number}.2.3",
            "channel": {"id": channel, "name": "directmessage" if channel.startswith("D") else "hilfe"},
            "message": {"type": "message", "ts": message_id, "text": "?", **(shown or {})},
            "response_url": f"{self.server.url}/respond/{number}",
            "actions": [button | {"text": {"type": "plain_text", "text": label, "emoji": True}}],
        }

    async def delete(self, message_id: str, text: str, **more: Any) -> None:
        before = self.event(text, message_id, **more)["event"]
        gone = {"subtype": "message_deleted", "hidden": True, "deleted_ts": message_id, "previous_message": before}
        self.server.push(self.event("", self._ts(), **gone, **more))

    async def command(self, text: str, *, user: str = "U5", channel: str = "C1") -> None:
        self.server.push(
            {
                "token": "legacy",
                "team_id": TEAM,
                "team_domain": "loopback",
                "channel_id": channel,
                "channel_name": "hilfe",
                "user_id": user,
                "user_name": "ada",
                "command": "/firstline",
                "text": html.escape(text, quote=False),
                "api_app_id": "A1",
                "is_enterprise_install": "false",
                "response_url": "https://hooks.slack.test/commands/1",
                "trigger_id": f"13.37.{next(self._numbers)}",
            },
            kind="slash_commands",
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

    def fail_fetching(self, fault: Fault) -> None:
        self.server.fail("download", fault)

    def forget_files(self) -> None:
        self.server.files.clear()

    @property
    def shared(self) -> list[tuple[str, str, bytes]]:
        texts = [(text, "", b"") for text in self.sent]
        return texts + [(file["comment"], file["name"], file["content"]) for file in self.server.shared]

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


class SlackOverHttp(Slack):
    """The same app, called over the web. ``asgi`` stands where the web server reaches whichever adapter was made last."""

    _adapter: SlackAdapter | None = None

    def adapter(self, *, url: str | None = None, token: str | None = None, **more: Any) -> SlackAdapter:
        self._adapter = super().adapter(url=url, token=token, signing_secret=SECRET, **more)
        return self._adapter

    @property
    def tokens(self) -> list[str]:
        return [self.server.bot_token, SECRET]

    async def press(self, message_id: str, label: str, action: str, *, shown: Mapping[str, Any] | None = None) -> None:
        assert self.server.caller is not None
        async with asyncio.timeout(5):  # Slack does not try again what people do
            while not await self.server.caller.verified():
                await asyncio.sleep(0.01)
        await super().press(message_id, label, action, shown=shown)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        routes = self._adapter.routes() if self._adapter is not None else ()
        await Starlette(routes=list(routes))(scope, receive, send)
