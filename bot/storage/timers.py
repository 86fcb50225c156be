"""What is to happen at a certain time, kept in the database so that it happens whoever runs then. It must not know what that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select

from bot.storage import tables
from bot.storage.connection import Connection
from bot.storage.conversations import upsert
from bot.storage.prepared import Prepared

_t = tables.timer
_CANCEL = Prepared(delete(_t).where(_t.c.key == bindparam("one")))
_CANCEL_ALL = delete(_t).where(_t.c.ticket == bindparam("of_ticket"), _t.c.kind.in_(bindparam("kinds", expanding=True)))


def _set(database: str) -> Any:
    statement = upsert(database, _t)
    new = {column: statement.excluded[column] for column in ("kind", "conversation_id", "ticket", "due_at")}
    return statement.on_conflict_do_update(index_elements=["key"], set_=new)


_SET = Prepared(_set)


@dataclass(frozen=True, slots=True)
class Timer:
    """``key`` makes it the only one of its purpose: setting it again moves it."""

    key: str
    kind: str
    conversation_id: str
    due_at: datetime
    ticket: int | None = None


class Timers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def set(self, timer: Timer) -> None:
        values = {
            "key": timer.key,
            "kind": timer.kind,
            "conversation_id": timer.conversation_id,
            "ticket": timer.ticket,
            "due_at": timer.due_at,
        }
        await self._connection.tell(_SET, values)

    async def cancel(self, key: str) -> None:
        await self._connection.tell(_CANCEL, {"one": key})

    async def cancel_all(self, ticket: int, kinds: Sequence[str]) -> None:
        """Stop every timer of these kinds that is about the ticket."""
        await self._connection.execute(_CANCEL_ALL, {"of_ticket": ticket, "kinds": list(kinds)})

    async def due(self, conversation_id: str, now: datetime) -> tuple[Timer, ...]:
        """The conversation's timers that have run out, in the order in which they did."""
        rows = await self._connection.execute(
            select(_t)
            .where(_t.c.conversation_id == conversation_id, _t.c.due_at <= now)
            .order_by(_t.c.due_at, _t.c.key)
        )
        return tuple(Timer(row.key, row.kind, row.conversation_id, row.due_at, row.ticket) for row in rows)

    async def next(self, conversation_id: str) -> datetime | None:
        """When the conversation's next timer runs out."""
        row = await self._connection.execute(
            select(_t.c.due_at).where(_t.c.conversation_id == conversation_id).order_by(_t.c.due_at).limit(1)
        )
        moment: datetime | None = row.scalar_one_or_none()
        return moment

    async def waiting(self, now: datetime) -> tuple[str, ...]:
        """The conversations in which something is due; for the sweeper."""
        # Not DISTINCT: SQLite would read the whole index of the conversations for it.
        rows = await self._connection.execute(select(_t.c.conversation_id).where(_t.c.due_at <= now))
        return tuple(dict.fromkeys(rows.scalars()))
