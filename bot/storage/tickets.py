"""Tickets in the database; their numbers are given by it and never reused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import ConflictError
from bot.model import Category, Priority, Ticket, TicketState
from bot.storage import tables
from bot.storage.codec import dump_json, storable

_t = tables.ticket


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to be opened. ``key`` makes opening it twice impossible."""

    key: str
    conversation_id: str
    reason: str
    category: Category | None
    topic: str | None
    priority: Priority
    subject: str
    facts: Mapping[str, str]


class Tickets:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def open(self, new: NewTicket, now: datetime) -> Ticket:
        row = await self._connection.execute(
            _t.insert()
            .values(
                key=new.key,
                conversation_id=new.conversation_id,
                state=TicketState.OPEN.value,
                reason=new.reason,
                category=new.category.value if new.category else None,
                topic=new.topic,
                priority=new.priority.value,
                subject=storable(new.subject),
                facts=dump_json(new.facts),
                version=0,
                created_at=now,
            )
            .returning(_t)
        )
        return _ticket(row.one())

    async def get(self, number: int) -> Ticket | None:
        row = (await self._connection.execute(select(_t).where(_t.c.number == number))).one_or_none()
        return None if row is None else _ticket(row)

    async def save(self, ticket: Ticket) -> None:
        """Write the ticket if it is still at ``ticket.version``. Raises ConflictError if somebody was faster."""
        result = await self._connection.execute(
            update(_t)
            .where(_t.c.number == ticket.number, _t.c.version == ticket.version)
            .values(
                state=ticket.state.value,
                category=ticket.category.value if ticket.category else None,
                topic=ticket.topic,
                priority=ticket.priority.value,
                subject=storable(ticket.subject),
                facts=dump_json(ticket.facts),
                assignee=ticket.assignee,
                version=ticket.version + 1,
            )
        )
        if result.rowcount != 1:
            raise ConflictError

    async def all(self, *states: TicketState) -> tuple[Ticket, ...]:
        query = select(_t).order_by(_t.c.number)
        if states:
            query = query.where(_t.c.state.in_([state.value for state in states]))
        return tuple(_ticket(row) for row in await self._connection.execute(query))


def _ticket(row: Row[Any]) -> Ticket:
    return Ticket(
        number=row.number,
        conversation_id=row.conversation_id,
        state=TicketState(row.state),
        reason=row.reason,
        category=Category(row.category) if row.category else None,
        topic=row.topic,
        priority=Priority(row.priority),
        subject=row.subject,
        created_at=row.created_at,
        facts=row.facts,
        assignee=row.assignee,
        version=row.version,
    )
