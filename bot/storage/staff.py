"""Who of staff is there, and what was written in the threads of tickets, each message once.

It must not know what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select, update

from bot.model import ChatRef, Person
from bot.storage import tables
from bot.storage.codec import dump_chat, load_chat, storable
from bot.storage.connection import Connection
from bot.storage.conversations import upsert
from bot.storage.inbox import identity_of

_t, _message = tables.staff, tables.staff_message


@dataclass(frozen=True, slots=True)
class Member:
    """``away_since``: not there since then, and until ``back_at`` if that is known."""

    person: Person
    away_since: datetime | None = None
    back_at: datetime | None = None

    def here(self, now: datetime) -> bool:
        return self.away_since is None or (self.back_at is not None and self.back_at <= now)


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """``became``: reply, note, or asked while nobody has said yet which of the two it is.

    ``correlation`` is that under which its reply or note is recorded; ``chat`` and ``message_id`` are the platform's.
    """

    identity: str
    ticket: int
    staff: Person
    text: str
    became: str
    at: datetime
    correlation: str | None
    chat: ChatRef | None
    message_id: str | None


class Staff:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def seen(self, person: Person, now: datetime) -> None:
        """Whoever acts is there."""
        await self._put(person, now, None, None)

    async def away(self, person: Person, now: datetime, back_at: datetime | None) -> None:
        await self._put(person, now, now, back_at)

    async def _put(self, person: Person, now: datetime, away: datetime | None, back_at: datetime | None) -> None:
        values = {"name": storable(person.name)[:200], "away_since": away, "back_at": back_at, "updated_at": now}
        statement = upsert(self._connection.dialect.name, _t).values(id=storable(person.id), **values)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    async def get(self, staff: str) -> Member | None:
        row = (await self._connection.execute(select(_t).where(_t.c.id == staff))).one_or_none()
        return None if row is None else _member(row)

    async def all(self) -> tuple[Member, ...]:
        return tuple(_member(row) for row in await self._connection.execute(select(_t).order_by(_t.c.name, _t.c.id)))

    async def wrote(
        self,
        chat: ChatRef,
        message_id: str,
        ticket: int,
        staff: Person,
        text: str,
        became: str,
        now: datetime,
        correlation: str | None = None,
    ) -> bool:
        """Keep a message of a thread; False when it is there already."""
        row = await self._connection.execute(
            upsert(self._connection.dialect.name, _message)
            .values(
                identity=identity_of(chat, message_id),
                ticket=ticket,
                staff=storable(staff.id),
                name=storable(staff.name)[:200],
                text=storable(text),
                became=became,
                at=now,
                correlation=correlation,
                chat=dump_chat(chat),
                message_id=storable(message_id),
            )
            .on_conflict_do_nothing(index_elements=["identity"])
            .returning(_message.c.identity)
        )
        return row.one_or_none() is not None

    async def written(self, chat: ChatRef, message_id: str) -> ThreadMessage | None:
        return await self._one(_message.c.identity == identity_of(chat, message_id))

    async def said(self, correlation: str) -> ThreadMessage | None:
        """The message whose reply or note is recorded under ``correlation``."""
        return await self._one(_message.c.correlation == correlation)

    async def decide(self, message: ThreadMessage, became: str, correlation: str) -> bool:
        """Say what a message is that was asked about; False when that has been said already."""
        result = await self._connection.execute(
            update(_message)
            .where(_message.c.identity == message.identity, _message.c.became == "asked")
            .values(became=became, correlation=correlation)
        )
        return bool(result.rowcount)

    async def reword(
        self, message: ThreadMessage, text: str, correlation: str | None, *, became: str | None = None
    ) -> None:
        """Its writer has changed it, and what it is, if ``became`` says so."""
        await self._connection.execute(
            update(_message)
            .where(_message.c.identity == message.identity)
            .values(text=storable(text), correlation=correlation, became=became or message.became)
        )

    async def _one(self, which: ColumnElement[bool]) -> ThreadMessage | None:
        row = (await self._connection.execute(select(_message).where(which))).one_or_none()
        if row is None:
            return None
        return ThreadMessage(
            row.identity,
            row.ticket,
            Person(row.staff, row.name),
            row.text,
            row.became,
            row.at,
            row.correlation,
            None if row.chat is None else load_chat(row.chat),
            row.message_id,
        )


def _member(row: Row[Any]) -> Member:
    return Member(Person(row.id, row.name), row.away_since, row.back_at)
