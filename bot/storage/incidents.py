"""Faults that staff know of, and which conversations have reported them. It must not know how a report is recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from bot.model import Incident, Language
from bot.storage import tables
from bot.storage.codec import storable
from bot.storage.connection import Connection
from bot.storage.conversations import upsert
from bot.storage.prepared import Prepared, Question

_t, _affected = tables.incident, tables.affected
_CURRENT = Prepared(select(_t).where(_t.c.until.is_(None)).order_by(_t.c.id))


class Incidents:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(
        self, text: Mapping[Language, str], topics: Sequence[str], words: Sequence[str], now: datetime
    ) -> Incident:
        row = await self._connection.execute(
            _t.insert()
            .values(
                text={language: storable(said) for language, said in text.items()},
                topics=list(topics),
                words=[storable(w) for w in words],
                since=now,
            )
            .returning(_t)
        )
        return _incident(row.one())

    def lasting(self) -> Question[tuple[Incident, ...]]:
        """Those that are not over, the oldest first."""
        return Question(_CURRENT, {}, lambda rows: tuple(_incident(row) for row in rows))

    async def end(self, number: int, now: datetime) -> Incident | None:
        """The incident that is over now; None if there is none of that number that lasts."""
        row = await self._connection.execute(
            update(_t).where(_t.c.id == number, _t.c.until.is_(None)).values(until=now).returning(_t)
        )
        found = row.one_or_none()
        return None if found is None else _incident(found)

    async def join(self, number: int, conversation_id: str, text: str, now: datetime) -> None:
        """This conversation is affected; saying so twice changes nothing."""
        await self._connection.execute(
            upsert(self._connection.dialect.name, _affected)
            .values(incident=number, conversation_id=conversation_id, text=storable(text), at=now)
            .on_conflict_do_nothing(index_elements=["incident", "conversation_id"])
        )

    async def affected(self, number: int) -> tuple[str, ...]:
        """The conversations that are affected, in the order in which they said so."""
        rows = await self._connection.execute(
            select(_affected.c.conversation_id)
            .where(_affected.c.incident == number)
            .order_by(_affected.c.at, _affected.c.conversation_id)
        )
        return tuple(rows.scalars())


def _incident(row: Row[Any]) -> Incident:
    return Incident(row.id, row.text, row.since, frozenset(row.topics), tuple(row.words))
