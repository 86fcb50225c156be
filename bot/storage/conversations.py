"""Conversations in the database: found by chat, saved by compare-and-set on their version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.model import ChatRef, Conversation, Mode
from bot.storage import tables
from bot.storage.codec import dump_pending, load_pending, storable
from bot.storage.connection import Connection
from bot.storage.prepared import Answer, Prepared, Question

_t = tables.conversation


def upsert(dialect: str, table: Any) -> Any:
    """INSERT with ON CONFLICT, which both databases have and SQLAlchemy's common part has not."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


_TAKE = Prepared(
    lambda database: (
        upsert(database, _t)
        .on_conflict_do_update(index_elements=["adapter", "chat_id", "thread_id"], set_={"next_seq": _t.c.next_seq + 1})
        .returning(_t.c.id, _t.c.next_seq, _t.c.mode)
    )
)
_ONE = select(_t).where(_t.c.id == bindparam("one"))
_GET = Prepared(_ONE)
_GET_LOCKED = Prepared(_ONE.with_for_update())  # SQLite leaves it out: there the transaction itself is the lock
_SAVE = Prepared(update(_t).where(_t.c.id == bindparam("one"), _t.c.version == bindparam("at_version")))


class Conversations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def next_seq(self, chat: ChatRef, now: datetime) -> tuple[str, int]:
        """The conversation of ``chat``, made if it is new, and its next sequence number, taken under the row's lock."""
        row = (await self._connection.execute(*self.taking(chat, now))).one()
        return row.id, row.next_seq

    def taking(self, chat: ChatRef, now: datetime) -> tuple[Prepared, Mapping[str, Any]]:
        """The statement that does it, to be said along with others; its answer has ``id``, ``next_seq``, ``mode``."""
        new = {
            "adapter": chat.adapter,
            "chat_id": storable(chat.chat_id),
            "thread_id": storable(chat.thread_id or ""),
            "id": str(uuid4()),
            "mode": Mode.BOT.value,
            "misses": 0,
            "greeted": 0,
            "next_seq": 1,
            "version": 0,
            "created_at": now,
            "updated_at": now,
        }
        return _TAKE, new

    def known(self, conversation_id: str) -> Question[Conversation | None]:
        """As ``get``, with None for what is not there."""
        return Question(_GET, {"one": conversation_id}, _one)

    async def get(self, conversation_id: str, *, lock: bool = False) -> Conversation:
        """Raises KeyError. With ``lock`` nobody else changes it before this transaction ends."""
        query = _GET_LOCKED if lock else _GET
        row = (await self._connection.execute(query, {"one": conversation_id})).one_or_none()
        if row is None:
            raise KeyError(conversation_id)
        return conversation_of(row)

    async def find(self, chat: ChatRef) -> Conversation | None:
        query = select(_t).where(
            _t.c.adapter == chat.adapter, _t.c.chat_id == chat.chat_id, _t.c.thread_id == (chat.thread_id or "")
        )
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else conversation_of(row)

    async def save(self, conversation: Conversation, now: datetime) -> None:
        """Write the conversation if it is still at ``conversation.version``; else this or the commit raises ConflictError."""
        values = {
            "one": conversation.id,
            "at_version": conversation.version,
            "mode": conversation.mode.value,
            "owner": conversation.owner,
            "ticket": conversation.ticket,
            "misses": conversation.misses,
            "pending": dump_pending(conversation.pending),
            "topic": conversation.topic,
            "language": conversation.language,
            "greeted": int(conversation.greeted),
            "last_text": None if conversation.last_text is None else storable(conversation.last_text),
            "organisation": conversation.organisation,
            "closed_until": conversation.closed_until,
            "version": conversation.version + 1,
            "updated_at": now,
        }
        await self._connection.tell(_SAVE, values, rows=1)


def _one(answer: Answer) -> Conversation | None:
    row = answer.one_or_none()
    return None if row is None else conversation_of(row)


def conversation_of(row: Any) -> Conversation:
    """``row`` has the columns of the table."""
    return Conversation(
        id=row.id,
        chat=ChatRef(row.adapter, row.chat_id, row.thread_id or None),
        mode=Mode(row.mode),
        owner=row.owner,
        ticket=row.ticket,
        misses=row.misses,
        pending=load_pending(row.pending),
        topic=row.topic,
        language=row.language,
        greeted=bool(row.greeted),
        last_text=row.last_text,
        organisation=row.organisation,
        closed_until=row.closed_until,
        version=row.version,
    )
