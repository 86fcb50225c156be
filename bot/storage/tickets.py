"""Tickets in the database; their numbers are given by it and never reused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, select, update

from bot.errors import ConflictError
from bot.model import Category, Priority, Ticket, TicketState
from bot.storage import tables
from bot.storage.attachments import Attachments
from bot.storage.codec import dump_json, storable
from bot.storage.connection import Connection
from bot.storage.prepared import Prepared, Question

_t = tables.ticket
_OWNED = (TicketState.TAKEN.value, TicketState.WAITING_FOR_CUSTOMER.value)
_DONE = (TicketState.RESOLVED.value, TicketState.CLOSED.value)


_OPEN = Prepared(_t.insert().returning(_t))
_GET = Prepared(select(_t).where(_t.c.number == bindparam("one")))


@cache
def _newest_of(column: str, *, done: bool) -> tuple[Prepared, Select[Any]]:
    """The newest tickets of somebody that are open, and those with certain numbers, whatever their state; or only done ones."""
    theirs = select(_t).where(_t.c[column] == bindparam("whose"))
    if done:
        theirs = theirs.where(tables.one_of(_t.c.state, _DONE), _t.c.merged_into.is_(None))
    newest = theirs if done else theirs.where(~tables.one_of(_t.c.state, _DONE))
    numbered = theirs.where(_t.c.number.in_(bindparam("numbers", expanding=True)))
    return Prepared(newest.order_by(_t.c.number.desc()).limit(bindparam("most"))), numbered


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
    organisation: str | None = None
    level: str | None = None
    person: str | None = None
    due_at: datetime | None = None
    follows: int | None = None


class Tickets:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self, new: NewTicket, now: datetime) -> Ticket:
        """Open the ticket; the files that came before it and are with no other belong to it."""
        row = await self._connection.execute(
            _OPEN,
            {
                "key": new.key,
                "conversation_id": new.conversation_id,
                "state": TicketState.OPEN.value,
                "reason": new.reason,
                "category": new.category.value if new.category else None,
                "topic": new.topic,
                "priority": new.priority.value,
                "subject": storable(new.subject),
                "facts": dump_json(new.facts),
                "organisation": new.organisation,
                "level": new.level,
                "person": None if new.person is None else storable(new.person),
                "due_at": new.due_at,
                "follows": new.follows,
                "version": 0,
                "created_at": now,
            },
        )
        ticket = _ticket(row.one())
        await Attachments(self._connection).file(new.conversation_id, ticket.number, new.person)
        return ticket

    async def adopt(
        self,
        number: int,
        conversation_id: str,
        *,
        subject: str,
        state: TicketState,
        progress: str | None,
        organisation: str | None,
        now: datetime,
        resolved_at: datetime | None = None,
    ) -> None:
        """Take over a ticket that exists already, under its own number; the numbers of new ones go on behind it."""
        await self._connection.execute(
            _t.insert().values(
                number=number,
                key=f"adopted:{number}",
                conversation_id=conversation_id,
                state=state.value,
                reason="adopted",
                priority=Priority.NORMAL.value,
                subject=storable(subject),
                facts={},
                organisation=organisation,
                progress=None if progress is None else storable(progress),
                resolved_at=resolved_at if state.value in _DONE else None,
                version=0,
                created_at=now,
            )
        )

    async def get(self, number: int) -> Ticket | None:
        row = (await self._connection.execute(_GET, {"one": number})).one_or_none()
        return None if row is None else _ticket(row)

    async def save(self, ticket: Ticket) -> None:
        """Write the ticket if it is still at ``ticket.version``. Raises ConflictError if somebody was faster."""
        result = await self._connection.execute(
            update(_t)
            .where(_t.c.number == ticket.number, _t.c.version == ticket.version)
            .values(
                conversation_id=ticket.conversation_id,
                state=ticket.state.value,
                category=ticket.category.value if ticket.category else None,
                topic=ticket.topic,
                priority=ticket.priority.value,
                subject=storable(ticket.subject),
                facts=dump_json(ticket.facts),
                assignee=ticket.assignee,
                assignee_id=ticket.assignee_id,
                follows=ticket.follows,
                merged_into=ticket.merged_into,
                resolved_at=ticket.resolved_at,
                reopened_at=ticket.reopened_at,
                rating=ticket.rating,
                rating_words=None if ticket.rating_words is None else storable(ticket.rating_words),
                organisation=ticket.organisation,
                level=ticket.level,
                due_at=ticket.due_at,
                progress=None if ticket.progress is None else storable(ticket.progress),
                version=ticket.version + 1,
            )
        )
        if result.rowcount != 1:
            raise ConflictError

    async def of_organisation(
        self, organisation: str, numbers: Sequence[int] = (), most: int = 5
    ) -> tuple[Ticket, ...]:
        """The organisation's open tickets, the newest ``most`` of them, and those with these ``numbers``; newest first."""
        return await self._newest("organisation", organisation, numbers, most)

    async def of_conversation(
        self, conversation_id: str, numbers: Sequence[int] = (), most: int = 5
    ) -> tuple[Ticket, ...]:
        """The same for the tickets that were opened in one conversation."""
        return await self._newest("conversation_id", conversation_id, numbers, most)

    async def owned_in(self, conversation_id: str) -> tuple[Ticket, ...]:
        """The tickets of the conversation about which a person talks to the customer; the newest last."""
        return await self._where(_t.c.conversation_id == conversation_id, _t.c.state.in_(_OWNED))

    async def owned_by(self, staff: str) -> tuple[Ticket, ...]:
        return await self._where(_t.c.assignee_id == staff, _t.c.state.in_(_OWNED))

    async def done_in(self, conversation_id: str, numbers: Sequence[int] = (), most: int = 3) -> tuple[Ticket, ...]:
        """The conversation's resolved and closed tickets: the newest ``most``, and those with these ``numbers``; newest first."""
        return await self._newest("conversation_id", conversation_id, numbers, most, done=True)

    async def _newest(
        self, column: str, whose: str, numbers: Sequence[int], most: int, *, done: bool = False
    ) -> tuple[Ticket, ...]:
        newest, numbered = _newest_of(column, done=done)
        rows = [*await self._connection.execute(newest, {"whose": whose, "most": most})]
        if numbers:
            rows += await self._connection.execute(numbered, {"whose": whose, "numbers": list(numbers)})
        return _newest_first(rows)

    def newest_in(self, conversation_id: str, most: int = 5) -> Question[tuple[Ticket, ...]]:
        """As ``of_conversation``, of no certain numbers."""
        newest, _ = _newest_of("conversation_id", done=False)
        return Question(newest, {"whose": conversation_id, "most": most}, _newest_first)

    def newest_done_in(self, conversation_id: str, most: int = 3) -> Question[tuple[Ticket, ...]]:
        """As ``done_in``, of no certain numbers."""
        newest, _ = _newest_of("conversation_id", done=True)
        return Question(newest, {"whose": conversation_id, "most": most}, _newest_first)

    async def _where(self, *which: ColumnElement[bool]) -> tuple[Ticket, ...]:
        rows = await self._connection.execute(select(_t).where(*which).order_by(_t.c.number))
        return tuple(_ticket(row) for row in rows)

    async def all(self, *states: TicketState) -> tuple[Ticket, ...]:
        query = select(_t).order_by(_t.c.number)
        if states:
            query = query.where(_t.c.state.in_([state.value for state in states]))
        return tuple(_ticket(row) for row in await self._connection.execute(query))


def _newest_first(rows: Iterable[Any]) -> tuple[Ticket, ...]:
    found = {row.number: _ticket(row) for row in rows}
    return tuple(found[number] for number in sorted(found, reverse=True))


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
        organisation=row.organisation,
        level=row.level,
        person=row.person,
        due_at=row.due_at,
        progress=row.progress,
        assignee_id=row.assignee_id,
        follows=row.follows,
        merged_into=row.merged_into,
        resolved_at=row.resolved_at,
        reopened_at=row.reopened_at,
        rating=row.rating,
        rating_words=row.rating_words,
        version=row.version,
    )
