"""People in front of Slack: what they write, change, send and press, and what they get to read.

It must not know the bot.
"""

from __future__ import annotations

import asyncio
import html
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.loopback.slack import BOT_USER, TEAM, LoopbackSlack

_keys = itertools.count(1)


@dataclass(frozen=True)
class Human:
    """Somebody who writes in ``chat``, a channel or their direct one with the bot; ``topic`` is the ts of a thread there."""

    server: LoopbackSlack
    id: str
    name: str
    chat: str

    async def writes(self, text: str, topic: str | None = None, **more: Any) -> str:
        """The ts of the message."""
        ts = self.server.ts()
        self._push(self._message(text, ts, topic) | more)
        return ts

    async def writes_and_waits(self, text: str, topic: str | None = None) -> str:
        """As ``writes``, until it has arrived: Slack promises no order of what is on its way at the same time."""
        ts = self.server.ts()
        name = self._push(self._message(text, ts, topic))
        while name not in self.server.acknowledged:
            await asyncio.sleep(0.1)
        return ts

    async def is_heard_again(self, ts: str) -> None:
        """Slack delivers once more what was written, as another event."""
        self._push(self.server.written[self.chat, ts])

    async def sends(self, name: str, content: bytes, caption: str = "", topic: str | None = None) -> str:
        """A file that is shared with the bot."""
        ts, ref = self.server.ts(), f"FH{next(_keys)}"
        address = f"{self.server.url}/files-pri/{ref}"
        about = {
            "id": ref,
            "name": name,
            "mimetype": "application/octet-stream",
            "size": len(content),
            "mode": "hosted",
        }
        self.server.files[ref] = about | {"url_private": address, "url_private_download": address}
        self.server.contents[ref] = content
        self._push(self._message(caption, ts, topic) | {"subtype": "file_share", "files": [about]})
        return ts

    async def edits(self, ts: str, text: str) -> None:
        before = self.server.written[self.chat, ts]
        edited = {"user": self.id, "ts": f"17000001{next(_keys):02d}.000000"}
        now = before | {"text": html.escape(text, quote=False), "edited": edited}
        self._push(self._happened("message_changed", message=now, previous_message=before))

    async def deletes(self, ts: str) -> None:
        before = self.server.written.pop((self.chat, ts))
        self._push(self._happened("message_deleted", deleted_ts=ts, previous_message=before))

    async def clears_away(self, ts: str) -> None:
        """Delete what the bot has said."""
        self._push(self.server.delete(self.chat, ts))

    async def presses(self, label: str, topic: str | None = None) -> str:
        """The newest button of that name that is to be seen there; the trigger that Slack gives out for it."""
        ts, button = next(self._buttons(label, topic))
        trigger, sent = f"{next(_keys)}.{next(_keys)}.press", self.server.sent[self.chat, ts]
        shown = {"type": "message", "ts": ts, "user": BOT_USER, "bot_id": "B0BOT", **sent}
        container = {"type": "message", "message_ts": ts, "channel_id": self.chat, "is_ephemeral": False}
        if "thread_ts" in sent:
            container["thread_ts"] = sent["thread_ts"]
        self.server.triggers.add(trigger)
        self.server.push(
            {
                "type": "block_actions",
                "team": {"id": TEAM, "domain": "loopback"},
                "user": {"id": self.id, "username": self.name.lower(), "name": self.name.lower(), "team_id": TEAM},
                "api_app_id": "A1",
                "container": container,
                "trigger_id": trigger,
                "channel": {"id": self.chat, "name": "x"},
                "message": shown,
                "response_url": f"{self.server.url}/respond/{self.id}",
                "actions": [{**button, "block_id": "b", "action_ts": self.server.ts()}],
            },
            kind="interactive",
        )
        return trigger

    async def fills_in(self, trigger: str, **values: str) -> dict[str, Any]:
        """Send off the form that a press has opened, with ``values`` by the end of each label; what was sent."""
        view = self.server.views[trigger]
        state: dict[str, Any] = {}
        for block in view["blocks"]:
            element = block["element"]
            given = next((text for name, text in values.items() if name in block["label"]["text"]), None)
            if element["type"] == "static_select":
                options = {option["text"]["text"]: option for option in element["options"]}
                chosen = element.get("initial_option") if given is None else options[given]
                filled = {"type": "static_select", "selected_option": chosen}
            else:
                filled = {"type": "plain_text_input", "value": given}
            state[block["block_id"]] = {element["action_id"]: filled}
        payload = {
            "type": "view_submission",
            "team": {"id": TEAM, "domain": "loopback"},
            "user": {"id": self.id, "username": self.name.lower(), "name": self.name.lower(), "team_id": TEAM},
            "api_app_id": "A1",
            "trigger_id": f"{next(_keys)}.{next(_keys)}.submit",
            "view": {**view, "team_id": TEAM, "state": {"values": state}, "hash": "1.2"},
            "response_urls": [],
        }
        self.server.push(payload, kind="interactive")
        return payload

    def reads(self, topic: str | None = None) -> list[str]:
        return reading(self.server, self.chat, topic)

    def _buttons(self, label: str, topic: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        for (chat, ts), sent in sorted(self.server.sent.items(), reverse=True):
            if chat == self.chat and sent.get("thread_ts", ts if ts == topic else None) == topic:
                for button in _elements(sent):
                    if button["text"]["text"] == label:
                        yield ts, button

    def _message(self, text: str, ts: str, topic: str | None) -> dict[str, Any]:
        kind = "im" if self.chat.startswith("D") else "channel"
        said = {"type": "message", "channel": self.chat, "channel_type": kind, "user": self.id, "team": TEAM, "ts": ts}
        below = {"thread_ts": topic, "parent_user_id": self._author(topic)} if topic is not None else {}
        return said | {"text": html.escape(text, quote=False)} | below

    def _author(self, ts: str) -> str:
        if (self.chat, ts) in self.server.gravestones:
            return "USLACKBOT"
        return str(self.server.written.get((self.chat, ts), {}).get("user", BOT_USER))

    def _happened(self, subtype: str, **more: Any) -> dict[str, Any]:
        kind = "im" if self.chat.startswith("D") else "channel"
        event = {"type": "message", "subtype": subtype, "channel": self.chat, "channel_type": kind, "hidden": True}
        return event | {"ts": self.server.ts(), **more}

    def _push(self, event: dict[str, Any]) -> str:
        name = f"EvH{next(_keys)}"
        payload = {"type": "event_callback", "event_id": name, "team_id": TEAM, "event": event}
        return self.server.push(payload, name=name)


def reading(server: LoopbackSlack, chat: str, topic: str | None = None) -> list[str]:
    """What is to be seen in a channel, or in one thread of it: who says what, with buttons and reactions.

    A thread begins with the message that it hangs below; in the channel only the beginnings of threads are to be seen.
    """
    lines: dict[str, str] = {}
    for (where, ts), said in server.written.items():
        if where == chat and said.get("thread_ts", ts if ts == topic else None) == topic:
            file = "".join(f"[{file['name']}] " for file in said.get("files", ()))
            name = server.people.get(said["user"], said["user"])
            lines[ts] = f"{name}: {file}{_plain(said['text'])}"
    for (where, ts), sent in server.sent.items():
        if where == chat and sent.get("thread_ts", ts if ts == topic else None) == topic:
            buttons = "".join(f"\n    [{button['text']['text']}]" for button in _elements(sent))
            lines[ts] = f"Firstline: {_shown(sent)}{buttons}"
    for shared in server.shared:
        if (shared["channel"], shared["thread_ts"]) == (chat, topic):
            lines[shared["ts"]] = f"Firstline: [{shared['name']}] {_plain(shared['comment'])}"
    reactions = server.reactions
    return [f"{line}   {' '.join(reactions.get((chat, ts), []))}".rstrip() for ts, line in sorted(lines.items())]


def _shown(sent: dict[str, Any]) -> str:
    """What the blocks say, a header and fields too."""
    texts = []
    for block in sent.get("blocks", ()):
        texts += [block["text"]["text"]] if "text" in block else []
        texts += [re.sub(r"^\*(.*)\*\n", r"\1: ", field["text"]) for field in block.get("fields", ())]
        texts += [e["text"] for e in block.get("elements", ()) if block["type"] == "context"]
    return _plain("\n".join(texts) or sent["text"])


def _plain(text: str) -> str:
    """Slack knows three entities, and shows all others as they stand."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _elements(sent: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = sent.get("blocks", ())
    return [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
