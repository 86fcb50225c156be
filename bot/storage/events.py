"""The audit trail: who did what, when, in which conversation. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from bot.errors import ConflictError
from bot.model import ChatRef
from bot.storage import tables
from bot.storage.codec import dump_json, storable
from bot.storage.connection import Connection
from bot.storage.prepared import Prepared

_t, _ticket, _thread = tables.event, tables.ticket, tables.thread
_ADD = Prepared(_t.insert().inline())

ABOUT_SENDING = ("reply_sent", "send_failed", "send_uncertain", "unreachable")
"""What becomes of a send; the ticket that it belongs to is known by its correlation."""


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    at: datetime
    kind: str
    actor: str
    conversation_id: str | None
    ticket: int | None
    correlation: str | None
    data: Mapping[str, Any]


class Events:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.news: set[str] = set()
        """The conversations of which something was added in this transaction that staff may want to hear."""

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
        news = conversation_id is not None and (ticket is not None or kind in ABOUT_SENDING)
        if news and conversation_id is not None:
            self.news.add(conversation_id)
        row = {
            "told": int(not news),
            "at": now,
            "kind": kind,
            "actor": storable(actor),
            "conversation_id": conversation_id,
            "ticket": ticket,
            "correlation": correlation,
            "data": dump_json(data or {}),
        }
        await self._connection.tell(_ADD, row)

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

    async def untold(self, conversation_id: str) -> tuple[Event, ...]:
        """What staff have not been told of this conversation, oldest first."""
        query = select(_t).where(_t.c.conversation_id == conversation_id, _t.c.told == 0).order_by(_t.c.id)
        return tuple(_event(row) for row in await self._connection.execute(query))

    async def recall(self, place: ChatRef) -> int:
        """Of open tickets that have no thread in ``place`` staff have not been told there; how many these are."""
        there = select(_thread.c.ticket).where(_thread.c.adapter == place.adapter, _thread.c.chat_id == place.chat_id)
        open_ = select(_ticket.c.number).where(_ticket.c.state.not_in(("resolved", "closed")))
        result = await self._connection.execute(
            update(_t)
            .where(
                _t.c.kind.in_(("ticket_opened", "dead_letter")),
                _t.c.told == 1,
                _t.c.ticket.in_(open_),
                _t.c.ticket.not_in(there),
            )
            .values(told=0)
        )
        return int(result.rowcount)

    async def mark_told(self, events: Sequence[Event]) -> None:
        """Raises ConflictError when one of them has been told meanwhile: then the whole transaction must not happen."""
        result = await self._connection.execute(
            update(_t).where(_t.c.id.in_([event.id for event in events]), _t.c.told == 0).values(told=1)
        )
        if result.rowcount != len(events):
            raise ConflictError

    async def waiting(self, limit: int = 200) -> tuple[str, ...]:
        """Conversations of which staff have not been told everything; for the sweeper."""
        query = select(_t.c.conversation_id).where(_t.c.told == 0, _t.c.conversation_id.is_not(None))
        return tuple((await self._connection.execute(query.distinct().limit(limit))).scalars())

    async def refused(self, conversation_id: str, actor: str) -> bool:
        """Whether it has been refused to ``actor`` before to act for staff there."""
        which = (_t.c.conversation_id == conversation_id, _t.c.kind == "staff_refused", _t.c.actor == actor)
        return (await self._connection.execute(select(_t.c.id).where(*which).limit(1))).first() is not None

    async def replied(self, correlation: str) -> Event | None:
        """The reply of somebody of staff that was said under ``correlation``."""
        query = select(_t).where(_t.c.correlation == correlation, _t.c.kind == "staff_replied").limit(1)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _event(row)

    async def of_conversation(
        self, conversation_id: str, kinds: Sequence[str] = (), newest: int | None = None
    ) -> tuple[Event, ...]:
        """All of them, or the ``newest`` of these ``kinds``, oldest first."""
        query = select(_t).where(_t.c.conversation_id == conversation_id).order_by(_t.c.id.desc()).limit(newest)
        rows = (await self._connection.execute(query.where(_t.c.kind.in_(kinds)) if kinds else query)).all()
        return tuple(_event(row) for row in reversed(rows))

    async def turn_of(self, conversation_id: str, inbox_id: int, since: datetime) -> Event | None:
        """The turn in which a message was handled, if it has been; it came after ``since``."""
        query = select(_t).where(_t.c.conversation_id == conversation_id, _t.c.kind == "turn", _t.c.at >= since)
        rows = await self._connection.execute(query)
        return next((_event(row) for row in rows if inbox_id in row.data.get("messages", ())), None)

    async def opening(self, ticket: int) -> tuple[Event, ...]:
        """How the ticket came about: its opening, and the turn that led to it, if one did."""
        query = select(_t).where(_t.c.ticket == ticket, _t.c.kind == "ticket_opened").order_by(_t.c.id).limit(1)
        opened = (await self._connection.execute(query)).one_or_none()
        if opened is None or opened.correlation is None:
            return () if opened is None else (_event(opened),)
        query = select(_t).where(_t.c.ticket == ticket, _t.c.kind == "turn", _t.c.correlation == opened.correlation)
        return (_event(opened), *(_event(row) for row in await self._connection.execute(query.limit(1))))

    async def of_ticket(self, ticket: int) -> tuple[Event, ...]:
        rows = await self._connection.execute(select(_t).where(_t.c.ticket == ticket).order_by(_t.c.id))
        return tuple(_event(row) for row in rows)


def _event(row: Row[Any]) -> Event:
    return Event(row.id, row.at, row.kind, row.actor, row.conversation_id, row.ticket, row.correlation, row.data)
