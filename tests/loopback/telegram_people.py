"""People in front of Telegram: what they write, change, send and press, and what they get to read.

It must not know the bot.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_forum import BOT

_keys = itertools.count(1)
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}


@dataclass(frozen=True)
class Human:
    """Somebody who writes in ``chat``, their private one with the bot if it bears their number; ``topic`` is for each message."""

    server: LoopbackTelegram
    id: int
    name: str
    chat: int

    async def writes(self, text: str, topic: int | None = None, **more: Any) -> int:
        """The number of the message."""
        number = self.server.number()
        await self.server.push(message=self._message(number, topic, text=text, **more))
        return number

    async def is_heard_again(self, number: int) -> None:
        """Telegram delivers once more what was written, as another update."""
        await self.server.push(message=self.server.written[self.chat, number])

    async def sends(self, name: str, content: bytes, caption: str = "", topic: int | None = None, **more: Any) -> int:
        """A file, as a document."""
        number, ref = self.server.number(), f"file{next(_keys)}"
        self.server.files[ref] = content
        about = {"file_id": ref, "file_unique_id": "u", "file_name": name, "file_size": len(content)}
        words = {"caption": caption} if caption else {}
        await self.server.push(message=self._message(number, topic, document=about, **words, **more))
        return number

    async def edits(self, number: int, text: str) -> None:
        before = self.server.written[self.chat, number]
        await self.server.push(edited_message={**before, "text": text, "edit_date": before["date"] + next(_keys)})

    async def presses(self, label: str, topic: int | None = None) -> None:
        """The newest button of that name that is to be seen there."""
        number, data = next(self._buttons(label, topic))
        key, sent = f"query{next(_keys)}", self.server.sent[self.chat, number]
        self.server.presses.add(key)
        bot = {"id": BOT, "is_bot": True, "first_name": "Firstline", "username": "firstline_bot"}
        shown = self._message(number, topic, text=sent["text"]) | {
            "from": bot,
            "reply_markup": sent["params"]["reply_markup"],
        }
        await self.server.push(
            callback_query={"id": key, "from": self._self(), "message": shown, "chat_instance": "1", "data": data}
        )

    def reads(self, topic: int | None = None) -> list[str]:
        return reading(self.server, self.chat, topic)

    def _buttons(self, label: str, topic: int | None) -> Iterator[tuple[int, str]]:
        for (chat, number), sent in sorted(self.server.sent.items(), reverse=True):
            if chat == self.chat and sent["params"].get("message_thread_id") == topic:
                for button in _keyboard(sent):
                    if button["text"] == label:
                        yield number, button["callback_data"]

    def _message(self, number: int, topic: int | None, **content: Any) -> dict[str, Any]:
        kind = (
            {"type": "private", "first_name": self.name} if self.chat > 0 else {"type": "supergroup", "is_forum": True}
        )
        post = {"message_id": number, "date": 1700000000 + number, "chat": {"id": self.chat, **kind}}
        if topic is not None:
            begun = {"message_id": topic, "from": {"id": BOT, "is_bot": True}, "forum_topic_created": {"name": "?"}}
            post |= {"is_topic_message": True, "message_thread_id": topic, "reply_to_message": begun}
        return post | {"from": self._self()} | content

    def _self(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": self.name}


def reading(server: LoopbackTelegram, chat: int, topic: int | None = None) -> list[str]:
    """What is to be seen in a chat, or in one topic of it, one message each: who says what, with buttons and reactions."""
    lines: dict[int, str] = {}
    for (where, number), post in server.written.items():
        if where == chat and (post.get("message_thread_id") if post.get("is_topic_message") else None) == topic:
            lines[number] = f"{post['from']['first_name']}: {_content(post)}"
    for (where, number), sent in server.sent.items():
        if where == chat and sent["params"].get("message_thread_id") == topic:
            file = f"[{sent['file']['name']}] " if "file" in sent else ""
            buttons = "".join(f"\n    [{button['text']}]" for button in _keyboard(sent))
            lines[number] = f"Firstline: {file}{sent['text']}{buttons}"
    reactions = server.groups.reactions
    return [f"{line}   {reactions.get((chat, number), '')}".rstrip() for number, line in sorted(lines.items())]


def _content(post: dict[str, Any]) -> str:
    file = f"[{post['document']['file_name']}] " if "document" in post else ""
    return file + str(post.get("text") or post.get("caption") or "")


def _keyboard(sent: dict[str, Any]) -> list[dict[str, str]]:
    rows = (sent["params"].get("reply_markup") or {}).get("inline_keyboard", [])
    return [button for row in rows for button in row]
