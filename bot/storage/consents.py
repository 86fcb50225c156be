"""Consents as they were given, refused and taken back: what was asked, what was answered, by whom, when. Rows are never changed but
for a withdrawal.

It must not know what a consent permits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from bot.model import Person
from bot.storage import tables
from bot.storage.codec import storable
from bot.storage.connection import Connection
from bot.storage.prepared import Prepared, Question

_t = tables.consent
_IN_FORCE = Prepared(
    select(_t.c.id)
    .where(_t.c.conversation_id == bindparam("of_conversation"), _t.c.given == 1, _t.c.withdrawn_at.is_(None))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """``question`` is what ``person`` had been shown, ``answer`` what they said; ``agreement`` the agreement's version then."""

    conversation_id: str
    ticket: int | None
    organisation: str | None
    person: Person
    purpose: str
    product: str | None
    passed_on: str
    question: str
    answer: str
    condition: str | None
    given: bool
    agreement: str
    at: datetime
    withdrawn_at: datetime | None = None


class Consents:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, record: ConsentRecord) -> None:
        await self._connection.execute(
            _t.insert().values(
                conversation_id=record.conversation_id,
                ticket=record.ticket,
                organisation=record.organisation,
                person=storable(record.person.id),
                person_name=storable(record.person.name)[:200],
                purpose=record.purpose,
                product=record.product,
                passed_on=storable(record.passed_on),
                question=storable(record.question),
                answer=storable(record.answer),
                condition=None if record.condition is None else storable(record.condition),
                given=int(record.given),
                agreement=record.agreement,
                at=record.at,
            )
        )

    async def withdraw(self, conversation_id: str, words: str, now: datetime) -> tuple[int, ...]:
        """Take back every consent of the conversation that is in force; the tickets that they belong to."""
        rows = await self._connection.execute(
            update(_t)
            .where(_t.c.conversation_id == conversation_id, _t.c.given == 1, _t.c.withdrawn_at.is_(None))
            .values(withdrawn_at=now, withdrawn_by=storable(words))
            .returning(_t.c.ticket)
        )
        return tuple(sorted({number for number in rows.scalars() if number is not None}))

    def in_force(self, conversation_id: str) -> Question[bool]:
        """Whether anything may be passed on from this conversation as it stands."""
        return Question(_IN_FORCE, {"of_conversation": conversation_id}, lambda rows: rows.first() is not None)

    async def of_conversation(self, conversation_id: str) -> tuple[ConsentRecord, ...]:
        """Given, refused and withdrawn ones, the oldest first."""
        rows = await self._connection.execute(
            select(_t).where(_t.c.conversation_id == conversation_id).order_by(_t.c.id)
        )
        return tuple(_record(row) for row in rows)

    async def of_ticket(self, ticket: int) -> tuple[ConsentRecord, ...]:
        rows = await self._connection.execute(select(_t).where(_t.c.ticket == ticket).order_by(_t.c.id))
        return tuple(_record(row) for row in rows)


def _record(row: Row[Any]) -> ConsentRecord:
    return ConsentRecord(
        conversation_id=row.conversation_id,
        ticket=row.ticket,
        organisation=row.organisation,
        person=Person(row.person, row.person_name),
        purpose=row.purpose,
        product=row.product,
        passed_on=row.passed_on,
        question=row.question,
        answer=row.answer,
        condition=row.condition,
        given=bool(row.given),
        agreement=row.agreement,
        at=row.at,
        withdrawn_at=row.withdrawn_at,
    )
