"""Attachments in the database: which files belong to which message and ticket, and what became of each. Their bytes are elsewhere.

States: expected -> stored, refused (too large, empty), failed (could not be had), given up (by people); erasing -> erased, with
the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, case, or_, select, update

from bot.model import File, InboundMessage
from bot.storage import tables
from bot.storage.codec import storable
from bot.storage.connection import Connection
from bot.storage.inbox import identity
from bot.storage.prepared import Prepared

_t, _inbox = tables.attachment, tables.inbox

EXPECTED, STORED, REFUSED, FAILED = "expected", "stored", "refused", "failed"
GIVEN_UP, ERASING, ERASED = "given_up", "erasing", "erased"
TO_DO = (EXPECTED, ERASING)


@dataclass(frozen=True, slots=True)
class Filed:
    """One attachment. ``person`` is the platform's id of who sent it, or for the ``author`` staff that of the member of staff.

    ``told`` is the media type that came with it, ``found`` the one that its content shows. ``danger`` says why a person has to
    decide before it is passed on, ``released_by`` who did. ``ref`` is the adapter's handle to fetch it by.
    """

    id: int
    conversation_id: str
    inbox_id: int | None
    ticket: int | None
    adapter: str
    person: str
    author: str
    name: str
    told: str
    found: str | None
    size: int | None
    hash: str | None
    danger: str | None
    released_by: str | None
    ref: str
    state: str
    attempts: int
    error: str | None
    created_at: datetime
    retry_at: datetime | None
    settled_at: datetime | None
    retried_at: datetime | None

    @property
    def key(self) -> str | None:
        """Where its bytes are kept, once they are."""
        return None if self.hash is None else f"{self.conversation_id}/{self.hash}"

    @property
    def held(self) -> bool:
        """Whether a person has to look at it before it may be passed on."""
        return self.danger is not None and self.released_by is None

    @property
    def file(self) -> File | None:
        """The file as it can be sent; None while there is none."""
        if self.state != STORED or self.key is None:
            return None
        return File(self.key, self.name, self.found or self.told, self.size or 0)


_UNFILED = update(_t).where(_t.c.conversation_id == bindparam("of_conversation"), _t.c.ticket.is_(None))
_FILE = Prepared(_UNFILED)
_FILE_OF = Prepared(_UNFILED.where(_t.c.person == bindparam("of_person")))


class Attachments:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def expect(self, conversation_id: str, message: InboundMessage, now: datetime) -> tuple[int, ...]:
        """Note the files of a message that has just been accepted, to be fetched; their ids.

        The newer version of a message brings its old files along: those are known.
        """
        if not message.attachments:
            return ()
        query = select(_inbox.c.id).where(_inbox.c.identity == identity(message))
        inbox_id = (await self._connection.execute(query)).scalar_one()
        known: set[str] = set()
        if message.edit_of is not None:
            refs = select(_t.c.ref).where(_t.c.conversation_id == conversation_id)
            known = set((await self._connection.execute(refs)).scalars())
        ids = [
            await self._insert(
                conversation_id=conversation_id,
                inbox_id=inbox_id,
                adapter=message.chat.adapter,
                person=storable(message.sender.id)[:200],
                author="customer",
                name=storable(attachment.name),
                told=storable(attachment.media_type),
                size=attachment.size,
                ref=storable(attachment.ref),
                state=EXPECTED,
                created_at=now,
            )
            for attachment in message.attachments
            if storable(attachment.ref) not in known
        ]
        return tuple(ids)

    async def add(
        self,
        conversation_id: str,
        ticket: int,
        *,
        adapter: str,
        staff: str,
        name: str,
        told: str,
        found: str | None,
        size: int,
        hash_: str,
        danger: str | None,
        now: datetime,
    ) -> int:
        """A file that ``staff`` has put to a ticket and that is kept already; its id. Whoever adds a file has decided about it."""
        return await self._insert(
            conversation_id=conversation_id,
            ticket=ticket,
            adapter=adapter,
            person=storable(staff)[:200],
            author="staff",
            name=storable(name),
            told=storable(told),
            found=found,
            size=size,
            hash=hash_,
            danger=danger,
            released_by=None if danger is None else storable(staff)[:200],
            ref="",
            state=STORED,
            created_at=now,
            settled_at=now,
        )

    async def _insert(self, **values: Any) -> int:
        row = await self._connection.execute(_t.insert().values(attempts=0, **values).returning(_t.c.id))
        return int(row.scalar_one())

    async def get(self, attachment_id: int) -> Filed | None:
        return next(iter(await self._read(_t.c.id == attachment_id)), None)

    async def of_ticket(self, number: int) -> tuple[Filed, ...]:
        return await self._read(_t.c.ticket == number)

    async def of_conversation(self, conversation_id: str) -> tuple[Filed, ...]:
        return await self._read(_t.c.conversation_id == conversation_id)

    async def file(self, conversation_id: str, ticket: int, person: str | None = None) -> None:
        """What came in this conversation, from ``person`` if one is named, and is with no ticket yet belongs to this one."""
        unfiled = {"of_conversation": conversation_id, "ticket": ticket}
        if person is None:
            await self._connection.tell(_FILE, unfiled)
        else:
            await self._connection.tell(_FILE_OF, unfiled | {"of_person": storable(person)[:200]})

    async def of_message(self, inbox_id: int) -> tuple[Filed, ...]:
        return await self._read(_t.c.inbox_id == inbox_id)

    async def adopt(self, ids: Sequence[int], ticket: int, staff: str) -> None:
        """Files that somebody of staff has sent for a ticket. Whoever adds a file has decided about it."""
        await self._connection.execute(
            update(_t)
            .where(_t.c.id.in_(ids))
            .values(
                ticket=ticket,
                author="staff",
                person=storable(staff)[:200],
                released_by=case((_t.c.danger.is_not(None), storable(staff)[:200])),
            )
        )

    async def settle(self, filed: Filed, state: str, now: datetime, **found: Any) -> bool:
        """Write what became of an expected file; False when it is no longer expected: it was erased, or another was faster."""
        values = {key: storable(value) if isinstance(value, str) else value for key, value in found.items()}
        result = await self._connection.execute(
            update(_t)
            .where(_t.c.id == filed.id, _t.c.state == EXPECTED)
            .values(state=state, settled_at=now, retry_at=None, attempts=filed.attempts + 1, **values)
        )
        return bool(result.rowcount)

    async def put_off(self, filed: Filed, error: str, retry_at: datetime) -> None:
        await self._connection.execute(
            update(_t)
            .where(_t.c.id == filed.id, _t.c.state == EXPECTED)
            .values(attempts=filed.attempts + 1, error=storable(error), retry_at=retry_at)
        )

    async def failed(self) -> tuple[Filed, ...]:
        return await self._read(_t.c.state == FAILED)

    async def revive(self, filed: Filed, now: datetime) -> bool:
        """Let a file that could not be had be fetched anew; False when somebody else has decided about it meanwhile."""
        return await self._unfail(filed, state=EXPECTED, attempts=0, retry_at=None, settled_at=None, retried_at=now)

    async def give_up(self, filed: Filed) -> bool:
        """A file that could not be had is not looked at any more; False when somebody else has decided about it meanwhile."""
        return await self._unfail(filed, state=GIVEN_UP)

    async def _unfail(self, filed: Filed, **values: Any) -> bool:
        failed = (_t.c.id == filed.id, _t.c.state == FAILED)
        return bool((await self._connection.execute(update(_t).where(*failed).values(**values))).rowcount)

    async def release(self, attachment_id: int, staff: str) -> None:
        await self._connection.execute(
            update(_t).where(_t.c.id == attachment_id).values(released_by=storable(staff)[:200])
        )

    async def waiting(self, now: datetime) -> tuple[int, ...]:
        """What is to be fetched, or removed, by now; for the sweeper."""
        due = or_(_t.c.retry_at.is_(None), _t.c.retry_at <= now)
        rows = await self._connection.execute(select(_t.c.id).where(tables.one_of(_t.c.state, TO_DO), due))
        return tuple(rows.scalars())

    async def shared(self, filed: Filed) -> bool:
        """Whether another attachment that is not erased has the same bytes."""
        others = select(_t.c.id).where(
            _t.c.conversation_id == filed.conversation_id,
            _t.c.hash == filed.hash,
            _t.c.id != filed.id,
            _t.c.state == STORED,
        )
        return (await self._connection.execute(others.limit(1))).one_or_none() is not None

    async def erase(self, which: ColumnElement[bool]) -> tuple[int, ...]:
        """Blank these attachments; the ids of those whose bytes are still to be removed, which stay in the state erasing."""
        blank = {"name": "", "told": "", "ref": "", "error": None, "person": "", "released_by": None, "retry_at": None}
        await self._connection.execute(
            update(_t).where(which, _t.c.hash.is_(None), _t.c.state != ERASED).values(state=ERASED, **blank)
        )
        kept = await self._connection.execute(
            update(_t).where(which, _t.c.hash.is_not(None)).values(state=ERASING, **blank).returning(_t.c.id)
        )
        return tuple(kept.scalars())

    async def erased(self, filed: Filed) -> None:
        """The bytes are gone, too."""
        await self._connection.execute(
            update(_t).where(_t.c.id == filed.id, _t.c.state == ERASING).values(state=ERASED, hash=None)
        )

    async def _read(self, which: ColumnElement[bool]) -> tuple[Filed, ...]:
        rows = await self._connection.execute(select(_t).where(which).order_by(_t.c.id))
        return tuple(_filed(row) for row in rows)


def _filed(row: Row[Any]) -> Filed:
    return Filed(
        id=row.id,
        conversation_id=row.conversation_id,
        inbox_id=row.inbox_id,
        ticket=row.ticket,
        adapter=row.adapter,
        person=row.person,
        author=row.author,
        name=row.name,
        told=row.told,
        found=row.found,
        size=row.size,
        hash=row.hash,
        danger=row.danger,
        released_by=row.released_by,
        ref=row.ref,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        created_at=row.created_at,
        retry_at=row.retry_at,
        settled_at=row.settled_at,
        retried_at=row.retried_at,
    )
