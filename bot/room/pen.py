"""Writes into the thread of a ticket: the one way in which anything is said to staff.

Everything goes into the outbox of the thread's own conversation, marked as for staff alone. It must not decide what is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.desk.lanes import DELIVER
from bot.model import Author, Button, ChatRef, File, Mark, OutboundMessage, Part, Person
from bot.ports import ChatAdapter, Engine, StaffSurface
from bot.storage.outbox import Draft
from bot.storage.store import Session
from bot.storage.threads import Thread


@dataclass(frozen=True, slots=True)
class Pen:
    """``chat`` is where it is written, in the conversation with this id; ``adapter`` is that of the chat."""

    session: Session
    engine: Engine
    adapter: ChatAdapter
    chat: ChatRef
    conversation_id: str
    now: datetime

    async def say(
        self,
        text: str,
        key: str,
        *,
        correlation: str | None = None,
        buttons: Sequence[Button] = (),
        files: Sequence[File] = (),
        mentions: Sequence[Person] = (),
        edit_of: str | None = None,
    ) -> None:
        """``key`` tells this saying from all others in the thread. ``correlation`` is that of the customer's message whose words it
        holds, so that they are forgotten with it.
        """
        message = OutboundMessage(
            self.chat,
            text,
            tuple(buttons),
            edit_of=edit_of,
            attachments=tuple(files),
            mentions=tuple(mentions),
        )
        named = [f"[{file.name}]" for file in files]
        await self.put(self.adapter.render(message), key, "\n".join(filter(None, [text, *named])), correlation)

    async def said(self, key: str) -> bool:
        """Whether it has been said in the thread, or is on its way."""
        return await self.session.outbox.has(self._key(key, 0))

    async def mark(self, message_id: str, mark: Mark, key: str) -> None:
        if isinstance(self.adapter, StaffSurface):
            await self.put(self.adapter.mark(self.chat, message_id, mark), key)

    async def put(
        self, parts: Sequence[Part], key: str, text: str = "", correlation: str | None = None
    ) -> tuple[str, ...]:
        """The keys of the parts in the outbox."""
        keys = tuple(self._key(key, n) for n in range(len(parts)))
        drafts = tuple(
            Draft(
                each,
                self.conversation_id,
                Author.STAFF,
                part,
                text if n == 0 else "",
                correlation or self.conversation_id,
            )
            for n, (each, part) in enumerate(zip(keys, parts, strict=True))
        )
        if drafts:
            await self.session.outbox.add(drafts, self.now)
            await self.engine.wake(self.session, DELIVER, self.chat.lane)
        return keys

    def _key(self, key: str, number: int) -> str:
        return f"{self.conversation_id}:{key}:{number}"


def pen_for(thread: Thread, session: Session, engine: Engine, adapter: ChatAdapter, now: datetime) -> Pen:
    return Pen(session, engine, adapter, thread.chat, thread.conversation_id, now)
