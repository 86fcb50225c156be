"""The inbox: every message that was accepted, once, in the order of its conversation, until it is handled or dead."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, bindparam, func, select, update

from bot.model import ChatRef, InboundMessage, Mode
from bot.storage import tables
from bot.storage.codec import dump_message, load_message, storable
from bot.storage.connection import Connection
from bot.storage.conversations import Conversations, upsert
from bot.storage.prepared import Prepared, Question

_t, _conversation = tables.inbox, tables.conversation
LONGEST_IDENTITY = 400


_OPEN = Prepared(
    select(_t)
    .where(_t.c.conversation_id == bindparam("of_conversation"), tables.one_of(_t.c.state, ("new",)))
    .order_by(_t.c.seq)
    .limit(50)
)
_CLOSE = Prepared(update(_t).where(_t.c.id == bindparam("one"), _t.c.state == "new"))


def _accept(database: str) -> Any:
    """Into the conversation of its chat, under the number that this has just taken."""
    columns = ("identity", "correlation", "message", "state", "attempts", "received_at")
    given = [bindparam(f"new_{name}", type_=_t.c[name].type) for name in columns]
    whose = select(_conversation.c.id, _conversation.c.next_seq, *given).where(
        _conversation.c.adapter == bindparam("adapter"),
        _conversation.c.chat_id == bindparam("chat_id"),
        _conversation.c.thread_id == bindparam("thread_id"),
    )
    put = upsert(database, _t).from_select(["conversation_id", "seq", *columns], whose)
    return put.on_conflict_do_nothing(index_elements=["identity"]).returning(_t.c.id)


_ACCEPT = Prepared(_accept)


@dataclass(frozen=True, slots=True)
class Received:
    """A message in the inbox; ``seq`` is its place in the conversation, ``attempts`` how often handling it has failed."""

    id: int
    conversation_id: str
    seq: int
    correlation: str
    message: InboundMessage
    attempts: int
    received_at: datetime
    retry_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it is kept for good; ``state`` is new, handled, dead or, when people have given it up, dropped."""

    received: Received
    state: str
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Where a new message was put, and under which number everything that follows from it is found.

    ``mode``: who has the word there.
    """

    conversation_id: str
    correlation: str
    mode: Mode


class Inbox:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def accept(self, message: InboundMessage, now: datetime) -> Accepted | None:
        """Store the message as the newest of its conversation; None for a duplicate.

        A duplicate uses up a sequence number all the same; gaps do no harm, a second row would.
        """
        take, place = Conversations(self._connection).taking(message.chat, now)
        correlation = str(uuid4())
        row = {
            "adapter": place["adapter"],
            "chat_id": place["chat_id"],
            "thread_id": place["thread_id"],
            "new_identity": identity(message),
            "new_correlation": correlation,
            "new_message": dump_message(message),
            "new_state": "new",
            "new_attempts": 0,
            "new_received_at": now,
        }
        taken, stored = await self._connection.ask((take, place), (_ACCEPT, row))
        conversation = taken.one()
        return Accepted(conversation.id, correlation, Mode(conversation.mode)) if stored.one_or_none() else None

    def opened(self, conversation_id: str) -> Question[tuple[Received, ...]]:
        """What is still to be handled in this conversation, oldest first."""
        return Question(_OPEN, {"of_conversation": conversation_id}, lambda rows: tuple(_received(row) for row in rows))

    async def find(self, chat: ChatRef, message_id: str) -> Received | None:
        """The newest version of the message with this platform id, whatever became of it."""
        original = await self._row(_t.c.identity == identity_of(chat, message_id))
        if original is None:
            return None
        edited = (
            select(_t)
            .where(
                _t.c.conversation_id == original.conversation_id,
                _t.c.seq > original.seq,
                _t.c.message["edit_of"].as_string() == message_id,
                _t.c.state == "handled",
            )
            .order_by(_t.c.seq.desc())
            .limit(1)
        )
        newest = (await self._connection.execute(edited)).one_or_none()
        return _received(newest or original)

    async def history(self, conversation_id: str, newest: int | None = None) -> tuple[Kept, ...]:
        """Everything that was ever received in the conversation, or the ``newest`` of it, oldest first."""
        query = select(_t).where(_t.c.conversation_id == conversation_id).order_by(_t.c.seq.desc()).limit(newest)
        rows = (await self._connection.execute(query)).all()
        return tuple(Kept(_received(row), row.state, row.deleted_at) for row in reversed(rows))

    async def others(self, conversation_id: str, sender: str) -> bool:
        """Whether anybody else than ``sender`` has written in the conversation."""
        query = select(_t.c.id).where(
            _t.c.conversation_id == conversation_id, _t.c.message["sender"]["id"].as_string() != storable(sender)
        )
        return (await self._connection.execute(query.limit(1))).first() is not None

    async def some(self, ids: Sequence[int]) -> tuple[Received, ...]:
        """The messages with these ids, in their order."""
        rows = await self._connection.execute(select(_t).where(_t.c.id.in_(ids)).order_by(_t.c.seq))
        return tuple(_received(row) for row in rows)

    async def mark_deleted(self, chat: ChatRef, message_id: str, now: datetime) -> None:
        """The sender has taken the message away. Its text is kept, since people may have acted on it, and shown as deleted."""
        await self._connection.execute(
            update(_t).where(_t.c.identity == identity_of(chat, message_id)).values(deleted_at=now)
        )

    async def reword(self, received: Received) -> None:
        """Keep the message as it stands here: what was secret in it has served."""
        message = dump_message(received.message)
        await self._connection.execute(update(_t).where(_t.c.id == received.id).values(message=message))

    async def _row(self, which: ColumnElement[bool]) -> Row[Any] | None:
        return (await self._connection.execute(select(_t).where(which))).one_or_none()

    async def mark_handled(self, ids: tuple[int, ...], now: datetime) -> None:
        """Raises ConflictError, or the commit does, when one is handled already: then the whole transaction must not happen."""
        await self._close(ids, "handled", now)

    async def mark_dead(self, received: Received, now: datetime) -> None:
        await self._close((received.id,), "dead", now)

    async def mark_failed(self, received: Received, error: str, retry_at: datetime) -> None:
        await self._connection.execute(
            update(_t)
            .where(_t.c.id == received.id, _t.c.state == "new")
            .values(attempts=received.attempts + 1, error=storable(error), retry_at=retry_at)
        )

    async def dead(self) -> tuple[Received, ...]:
        rows = await self._connection.execute(select(_t).where(_t.c.state == "dead").order_by(_t.c.id))
        return tuple(_received(row) for row in rows)

    async def get(self, inbox_id: int) -> Kept | None:
        row = await self._row(_t.c.id == inbox_id)
        return None if row is None else Kept(_received(row), row.state, row.deleted_at)

    async def give_up(self, inbox_id: int) -> bool:
        """A dead letter is not looked at any more; False if there is none of this number."""
        dead = (_t.c.id == inbox_id, _t.c.state == "dead")
        return bool((await self._connection.execute(update(_t).where(*dead).values(state="dropped"))).rowcount)

    async def newest(self, count: int) -> tuple[Received, ...]:
        """The newest messages that have words, newest first; what a customer took away again is left out."""
        words = _t.c.message["text"].as_string()
        rows = await self._connection.execute(
            select(_t).where(func.trim(words) != "", _t.c.deleted_at.is_(None)).order_by(_t.c.id.desc()).limit(count)
        )
        return tuple(_received(row) for row in rows)

    async def revive(self, inbox_id: int) -> str | None:
        """Put a dead letter back to be handled anew; its conversation's id, or None if there is no such dead letter."""
        row = await self._connection.execute(
            update(_t)
            .where(_t.c.id == inbox_id, _t.c.state == "dead")
            .values(state="new", attempts=0, retry_at=None, handled_at=None)
            .returning(_t.c.conversation_id)
        )
        conversation_id: str | None = row.scalar_one_or_none()
        return conversation_id

    async def waiting(self) -> tuple[str, ...]:
        """The conversations that have something to be handled; for the sweeper."""
        rows = await self._connection.execute(select(_t.c.conversation_id).where(_t.c.state == "new").distinct())
        return tuple(rows.scalars())

    async def count(self, state: str) -> int:
        return int((await self._connection.execute(select(func.count()).where(_t.c.state == state))).scalar_one())

    async def _close(self, ids: tuple[int, ...], state: str, now: datetime) -> None:
        closed = {"state": state, "handled_at": now}
        for each in ids:
            await self._connection.tell(_CLOSE, {"one": each, **closed}, rows=1)


def identity(message: InboundMessage) -> str:
    """What makes a message itself, however often and under whatever delivery id it comes.

    Quoted, so that two messages whose ids only run together alike stay two; hashed where a platform's ids are too long to index.
    """
    return identity_of(message.chat, message.message_id)


def identity_of(chat: ChatRef, message_id: str) -> str:
    key = json.dumps([chat.adapter, chat.chat_id, message_id])
    return key if len(key) <= LONGEST_IDENTITY else hashlib.sha256(key.encode()).hexdigest()


def _received(row: Row[Any]) -> Received:
    return Received(
        id=row.id,
        conversation_id=row.conversation_id,
        seq=row.seq,
        correlation=row.correlation,
        message=load_message(row.message),
        attempts=row.attempts,
        received_at=row.received_at,
        retry_at=row.retry_at,
        error=row.error,
    )
