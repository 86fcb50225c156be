"""The threads of tickets in the places where staff work: which is whose, where its card is, and what the card shows.

Each has a conversation of its own, in which everything that is said to staff is kept apart from what customers are told. It must
not know what is said there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from bot.model import ChatRef
from bot.storage import tables
from bot.storage.connection import Connection
from bot.storage.conversations import Conversations

_t, _outbox = tables.thread, tables.outbox
GONE = "its thread is gone"


@dataclass(frozen=True, slots=True)
class Thread:
    """``thread_id`` and ``card_id`` are the platform's, None until it has told them. ``shown`` is the digest of the card as it was
    last drawn; ``generation`` counts how often the thread was opened, and is not positive while it has to be opened (anew).
    """

    conversation_id: str
    ticket: int
    adapter: str
    chat_id: str
    thread_id: str | None
    card_id: str | None
    opener_key: str
    card_key: str
    shown: str
    open: bool
    generation: int

    @property
    def chat(self) -> ChatRef:
        """Where the thread is; before it is opened, its chat."""
        return ChatRef(self.adapter, self.chat_id, self.thread_id)


class Threads:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, ticket: int, place: ChatRef, now: datetime) -> Thread:
        """A thread for the ticket in ``place`` that is still to be opened, with a conversation of its own."""
        # What is said in a thread that is not there yet has to wait somewhere.
        waiting = ChatRef(place.adapter, place.chat_id, f"ticket:{ticket}")
        conversation_id, _ = await Conversations(self._connection).next_seq(waiting, now)
        await self._connection.execute(
            _t.insert().values(
                conversation_id=conversation_id,
                ticket=ticket,
                adapter=place.adapter,
                chat_id=place.chat_id,
                opener_key="",
                card_key="",
                shown="",
                open=1,
                generation=0,
            )
        )
        return Thread(conversation_id, ticket, place.adapter, place.chat_id, None, None, "", "", "", True, 0)

    async def of_ticket(self, ticket: int, place: ChatRef) -> Thread | None:
        return await self._one(_t.c.ticket == ticket, _t.c.adapter == place.adapter, _t.c.chat_id == place.chat_id)

    async def of_conversation(self, conversation_id: str) -> Thread | None:
        return await self._one(_t.c.conversation_id == conversation_id)

    async def at(self, place: ChatRef, thread_id: str) -> Thread | None:
        """The thread of a place by the platform's id of it."""
        return await self._one(
            _t.c.adapter == place.adapter, _t.c.thread_id == thread_id, _t.c.chat_id == place.chat_id
        )

    async def opened(self, thread: Thread) -> None:
        """It is opened, or opened anew, by what its keys name."""
        await self.put(
            thread,
            opener_key=thread.opener_key,
            card_key=thread.card_key,
            shown=thread.shown,
            generation=thread.generation,
            open=1,
        )

    async def put(self, thread: Thread, **values: Any) -> None:
        await self._connection.execute(
            update(_t).where(_t.c.conversation_id == thread.conversation_id).values(**values)
        )

    async def sent(self, key: str, platform_id: str) -> str | None:
        """The part ``key`` is there: where it opened a thread or was a card, that is known now. The conversation's id if it did."""
        found = None
        for column, of in ((_t.c.opener_key, "thread_id"), (_t.c.card_key, "card_id")):
            result = await self._connection.execute(
                update(_t).where(column == key).values({of: platform_id}).returning(_t.c.conversation_id)
            )
            found = result.scalar_one_or_none() or found
        return found

    async def gone(self, thread: Thread) -> None:
        """Somebody has taken it away: what was to be said there waits until it is opened anew."""
        values = {"opener_key": "", "card_key": "", "shown": "", "open": 1, "generation": -thread.generation}
        await self.put(thread, thread_id=None, card_id=None, **values)
        await self._connection.execute(
            update(_outbox)
            .where(_outbox.c.conversation_id == thread.conversation_id, _outbox.c.state.in_(("pending", "sending")))
            .values(state="dropped", error=GONE)
        )

    async def _one(self, *which: Any) -> Thread | None:
        row = (await self._connection.execute(select(_t).where(*which))).one_or_none()
        return None if row is None else _thread(row)


def _thread(row: Row[Any]) -> Thread:
    return Thread(
        conversation_id=row.conversation_id,
        ticket=row.ticket,
        adapter=row.adapter,
        chat_id=row.chat_id,
        thread_id=row.thread_id,
        card_id=row.card_id,
        opener_key=row.opener_key,
        card_key=row.card_key,
        shown=row.shown,
        open=bool(row.open),
        generation=row.generation,
    )
