"""Blanks what the database holds of people: words, names, ids and addresses of their chats. What is left says that something was.

Consents are kept, they are the proof of what was allowed; docs/data-protection.md says what else. It must not decide who is erased.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, delete, distinct, func, or_, select, update

from bot.model import Mode, TicketState
from bot.storage import tables
from bot.storage.attachments import Attachments
from bot.storage.codec import dump_json, storable
from bot.storage.connection import Connection
from bot.storage.outbox import FAILED, OPEN

NOBODY = "erased"

_KEPT_OF_EVENTS = {
    *(
        "attachment",
        "catalogue",
        "category",
        "danger",
        "decisions",
        "deletion_of",
        "due",
        "edit_of",
        "inbox",
        "letter",
        "level",
    ),
    *("media_type", "messages", "organisation", "product", "purpose", "reason", "size", "topic", "unsaid"),
}
"""What an event may still say: numbers, keys of ours and of the intent files. Whatever is not named here is forgotten."""

_conversation, _inbox, _outbox, _event = tables.conversation, tables.inbox, tables.outbox, tables.event
_thread, _ticket, _attachment, _identity, _code = (
    tables.thread,
    tables.ticket,
    tables.attachment,
    tables.identity,
    tables.code,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of whoever is to be erased. ``whole`` are the conversations in which nobody else has written, ``shared`` the
    others; ``correlations`` are those of ``messages``.
    """

    messages: tuple[int, ...]
    correlations: tuple[str, ...]
    whole: tuple[str, ...]
    shared: tuple[str, ...]

    def batches(self, size: int = 500) -> Iterator[Found]:
        """The same in portions that a statement takes."""
        longest = max(map(len, (self.messages, self.whole, self.shared)))
        for start in range(0, longest, size):
            part = slice(start, start + size)
            yield Found(self.messages[part], self.correlations[part], self.whole[part], self.shared[part])


class Erasure:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of_person(self, adapter: str, user_id: str) -> Found:
        """What this person has written, and where."""
        sender = _inbox.c.message["sender"]["id"].as_string()
        platform = _inbox.c.message["chat"]["adapter"].as_string()
        rows = (
            await self._connection.execute(
                select(_inbox.c.id, _inbox.c.correlation, _inbox.c.conversation_id).where(
                    platform == adapter, sender == storable(user_id)
                )
            )
        ).all()
        places = tuple(dict.fromkeys(row.conversation_id for row in rows))
        theirs = select(_inbox.c.conversation_id).where(platform == adapter, sender == storable(user_id))
        alone = (
            select(_inbox.c.conversation_id)
            .where(_inbox.c.conversation_id.in_(theirs))
            .group_by(_inbox.c.conversation_id)
            .having(func.count(distinct(cast(sender, String))) == 1)
        )
        whole = set((await self._connection.execute(alone)).scalars())
        return Found(
            tuple(row.id for row in rows),
            tuple(row.correlation for row in rows),
            tuple(place for place in places if place in whole),
            tuple(place for place in places if place not in whole),
        )

    async def of_organisation(self, organisation_id: str) -> Found:
        """Everything that was written in conversations that were held for it."""
        query = select(_conversation.c.id).where(_conversation.c.organisation == organisation_id)
        whole = tuple((await self._connection.execute(query)).scalars())
        rows = (
            await self._connection.execute(
                select(_inbox.c.id, _inbox.c.correlation).where(_inbox.c.conversation_id.in_(query))
            )
        ).all()
        return Found(tuple(row.id for row in rows), tuple(row.correlation for row in rows), whole, ())

    async def erase(self, found: Found, person: tuple[str, str] | None, now: datetime) -> tuple[int, ...]:
        """Blank all that was found; ``person`` is an adapter and an id there, None for everybody in these conversations.

        Returns the ids of the attachments whose bytes are still to be removed.
        """
        kept: list[int] = []
        for batch in found.batches():
            kept += await self._erase(batch, person, now)
        return tuple(kept)

    async def _erase(self, found: Found, person: tuple[str, str] | None, now: datetime) -> tuple[int, ...]:
        theirs = self._theirs(found, person)
        await self._messages(found.messages, now)
        await self._outgoing(
            or_(_outbox.c.conversation_id.in_(found.whole), _outbox.c.correlation.in_(found.correlations))
        )
        in_threads = await self._threads(theirs(_ticket), now)
        await self._tickets(theirs(_ticket))
        await self._events(or_(_event.c.conversation_id.in_(found.whole), _event.c.correlation.in_(found.correlations)))
        await self._connection.execute(
            update(tables.affected)
            .where(tables.affected.c.conversation_id.in_((*found.whole, *found.shared)))
            .values(text="")
        )
        attachments = await Attachments(self._connection).erase(theirs(_attachment))
        await self._conversations(found, now)
        return attachments + in_threads

    async def forget_person(self, adapter: str, user_id: str) -> int:
        """Nobody knows this person any more; for how many organisations they were known."""
        who = storable(f"{adapter}:{user_id}")
        await self._events(or_(_event.c.actor == who, _event.c.data["who"].as_string() == who))
        for table in (_code, _identity):
            gone = await self._connection.execute(
                delete(table).where(table.c.adapter == adapter, table.c.user_id == storable(user_id))
            )
        return gone.rowcount

    async def forget_organisation(self, organisation_id: str) -> int:
        """The same for everybody who was known for it, its channels, invitations and contacts; how many people that were."""
        await self._events(_event.c.data["organisation"].as_string() == organisation_id)
        for table in (tables.channel, tables.invitation, _code, _identity):
            gone = await self._connection.execute(delete(table).where(table.c.organisation_id == organisation_id))
        of = tables.organisation
        await self._connection.execute(update(of).where(of.c.id == organisation_id).values(contacts=[], email=None))
        return gone.rowcount

    def _theirs(self, found: Found, person: tuple[str, str] | None) -> Any:
        """Rows of a table with a person: all of whole conversations, and this person's of the shared ones."""

        def theirs(table: Any) -> ColumnElement[bool]:
            whole: ColumnElement[bool] = table.c.conversation_id.in_(found.whole)
            if person is None:
                return whole
            mine = and_(table.c.conversation_id.in_(found.shared), table.c.person == storable(person[1])[:200])
            return or_(whole, mine)

        return theirs

    async def _messages(self, ids: Sequence[int], now: datetime) -> None:
        for row in (await self._connection.execute(select(_inbox).where(_inbox.c.id.in_(ids)))).all():
            message: Mapping[str, Any] = row.message
            blank = {
                "chat": {"adapter": message["chat"]["adapter"], "chat_id": "", "thread_id": None},
                "message_id": "",
                "delivery_id": "",
                "sender": {"id": "", "name": ""},
                "text": "",
                "sent_at": message["sent_at"],
            }
            unseen = {"state": "handled", "handled_at": now} if row.state in ("new", "dead") else {}
            await self._connection.execute(
                update(_inbox)
                .where(_inbox.c.id == row.id)
                .values(message=dump_json(blank), identity=f"{NOBODY}:{row.id}", error=None, **unseen)
            )

    async def _outgoing(self, which: ColumnElement[bool]) -> None:
        """What has not been sent yet is not sent any more."""
        open_ = _outbox.c.state.in_((*OPEN, *FAILED))
        await self._connection.execute(update(_outbox).where(which, open_).values(state="dropped"))
        lanes = select(_outbox.c.lane).where(which)
        await self._connection.execute(delete(tables.lane).where(tables.lane.c.name.in_(lanes)))
        blank = {"adapter": "", "chat_id": "", "thread_id": None}
        await self._connection.execute(
            update(_outbox)
            .where(which)
            .values(lane=NOBODY, chat=blank, text="", payload={}, platform_id=None, error=None)
        )

    async def _tickets(self, which: ColumnElement[bool]) -> None:
        open_ = _ticket.c.state.not_in((TicketState.RESOLVED.value, TicketState.CLOSED.value))
        await self._connection.execute(update(_ticket).where(which, open_).values(state=TicketState.CLOSED.value))
        numbers = select(_ticket.c.number).where(which)
        await self._connection.execute(
            update(tables.staff_message)
            .where(tables.staff_message.c.ticket.in_(numbers))
            .values(text="", chat=None, message_id=None)
        )
        blank: dict[str, object] = {"subject": "", "facts": {}, "person": None, "progress": None, "rating_words": None}
        await self._connection.execute(update(_ticket).where(which).values(version=_ticket.c.version + 1, **blank))

    async def _threads(self, which: ColumnElement[bool], now: datetime) -> tuple[int, ...]:
        """What staff were told in the threads of these tickets, and said there; the ids of attachments whose bytes are to go."""
        numbers = select(_ticket.c.number).where(which)
        threads = (await self._connection.execute(select(_thread).where(_thread.c.ticket.in_(numbers)))).all()
        removable: tuple[int, ...] = ()
        for thread in threads:
            here = and_(
                _conversation.c.adapter == thread.adapter,
                _conversation.c.thread_id == (thread.thread_id or ""),
                or_(_conversation.c.chat_id == thread.chat_id, _conversation.c.chat_id.endswith(f":{thread.chat_id}")),
            )
            rows = select(_conversation.c.id).where(or_(_conversation.c.id == thread.conversation_id, here))
            whole = tuple((await self._connection.execute(rows)).scalars())
            said = select(_inbox.c.id).where(_inbox.c.conversation_id.in_(whole))
            messages = tuple((await self._connection.execute(said)).scalars())
            await self._messages(messages, now)
            await self._outgoing(_outbox.c.conversation_id.in_(whole))
            removable += await Attachments(self._connection).erase(_attachment.c.conversation_id.in_(whole))
            await self._connection.execute(delete(_thread).where(_thread.c.conversation_id == thread.conversation_id))
            await self._conversations(Found(messages, (), whole, ()), now)
        return removable

    async def _events(self, which: ColumnElement[bool]) -> None:
        """Who of the customers did it and in which words is forgotten, who of the staff is not."""
        for row in (await self._connection.execute(select(_event).where(which))).all():
            ours = row.actor.startswith("staff:") or ":" not in row.actor
            data = {key: value for key, value in row.data.items() if key in _KEPT_OF_EVENTS}
            await self._connection.execute(
                update(_event).where(_event.c.id == row.id).values(actor=row.actor if ours else NOBODY, data=data)
            )

    async def _conversations(self, found: Found, now: datetime) -> None:
        """Whoever writes again begins anew; where others write on, only what the last words were about is forgotten."""
        await self._connection.execute(delete(tables.timer).where(tables.timer.c.conversation_id.in_(found.whole)))
        forgotten = {"pending": None, "last_text": None, "version": _conversation.c.version + 1, "updated_at": now}
        await self._connection.execute(
            update(_conversation).where(_conversation.c.id.in_(found.shared)).values(forgotten)
        )
        for conversation_id in found.whole:
            await self._connection.execute(
                update(_conversation)
                .where(_conversation.c.id == conversation_id)
                .values(
                    chat_id=f"{NOBODY}:{conversation_id}", thread_id="", mode=Mode.BOT.value, owner=None, **forgotten
                )
            )
