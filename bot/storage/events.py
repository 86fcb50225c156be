"""The audit trail: who did what, when, in which conversation. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import tables
from bot.storage.codec import dump_json, storable

_t = tables.event


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    kind: str
    actor: str
    conversation_id: str | None
    ticket: int | None
    correlation: str | None
    data: Mapping[str, Any]


class Events:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self,
        kind: str,
        *,
        actor: str,
        now: datetime,
        conversation_id: str | None = None,
        ticket: int | None = None,
        correlation: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        await self._connection.execute(
            _t.insert().values(
                at=now,
                kind=kind,
                actor=storable(actor),
                conversation_id=conversation_id,
                ticket=ticket,
                correlation=correlation,
                data=dump_json(data or {}),
            )
        )

    async def responded(self, ticket: int, since: datetime | None = None) -> bool:
        """Whether a person has written to the customer about this ticket (after ``since``) and has not taken it back."""
        query = select(_t.c.kind, _t.c.correlation).where(
            _t.c.ticket == ticket, _t.c.kind.in_(("staff_replied", "staff_undone"))
        )
        if since is not None:
            query = query.where(_t.c.at >= since)
        rows = (await self._connection.execute(query)).all()
        undone = {row.correlation for row in rows if row.kind == "staff_undone"}
        return any(row.kind == "staff_replied" and row.correlation not in undone for row in rows)

    async def of_conversation(self, conversation_id: str) -> tuple[Event, ...]:
        rows = await self._connection.execute(
            select(_t).where(_t.c.conversation_id == conversation_id).order_by(_t.c.id)
        )
        return tuple(_event(row) for row in rows)

    async def of_ticket(self, ticket: int) -> tuple[Event, ...]:
        rows = await self._connection.execute(select(_t).where(_t.c.ticket == ticket).order_by(_t.c.id))
        return tuple(_event(row) for row in rows)


def _event(row: Row[Any]) -> Event:
    return Event(row.at, row.kind, row.actor, row.conversation_id, row.ticket, row.correlation, row.data)
