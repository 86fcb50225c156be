"""The outbox: what is to be sent, in the order of its lane, with what became of each send.

States: pending -> sending -> sent; dropped (not sent any more), dead (permanent), uncertain (perhaps sent, given up).
It must not know how anything is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, case, func, literal, select, update

from bot.errors import ConflictError
from bot.model import Author, ChatRef, Conversation, Part
from bot.storage import tables
from bot.storage.codec import dump_chat, dump_json, load_chat, storable
from bot.storage.connection import Connection
from bot.storage.conversations import conversation_of, upsert
from bot.storage.prepared import Prepared

_t, _lane, _conversation = tables.outbox, tables.lane, tables.conversation
OPEN = ("pending", "sending")
FAILED = ("dead", "uncertain")


@dataclass(frozen=True, slots=True)
class Draft:
    """One part to be sent. ``key`` makes writing it twice impossible; ``text`` is what people read of it, for the record.

    ``expires_at``: not sent any more from then on. ``secret``: the payload is forgotten once the part is settled, whatever became
    of it; then ``text`` must not hold the secret. ``due_at``: not sent before then, nor what comes after it in its lane.
    """

    key: str
    conversation_id: str
    author: Author
    part: Part
    text: str
    correlation: str
    expires_at: datetime | None = None
    secret: bool = False
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of the outbox. ``attempts`` counts sends, ``uncertain`` those of which nobody knows whether they arrived.

    ``retried_at``: when people put it back; they know of ``excused`` of the uncertain sends and want it sent all the same.
    """

    id: int
    lane: str
    key: str
    conversation_id: str
    author: Author
    part: Part
    text: str
    state: str
    attempts: int
    uncertain: int
    correlation: str
    platform_id: str | None
    error: str | None
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None = None
    sent_at: datetime | None = None
    secret: bool = False
    retried_at: datetime | None = None
    excused: int = 0


@dataclass(frozen=True, slots=True)
class Next:
    """The letter of a lane whose turn it is, its conversation, and when the platform takes something in the lane again."""

    letter: Letter
    conversation: Conversation
    not_before: datetime | None


_FORGET = {"payload": case((_t.c.secret == 1, literal({}, _t.c.payload.type)), else_=_t.c.payload)}
"""What is written along with every state that settles a part: a secret does not outlive its use."""


def _oldest() -> tuple[Select[Any], Select[Any]]:
    """Its conversation, locked; and itself, with what the platform has said about its lane."""
    earlier = _t.alias("earlier")
    first = ~(
        select(earlier.c.id)
        .where(
            earlier.c.lane == _t.c.lane,
            earlier.c.conversation_id == _t.c.conversation_id,
            tables.one_of(earlier.c.state, OPEN),
            earlier.c.id < _t.c.id,
        )
        .exists()
    )
    turn = case((_t.c.state == "sending", 0), (_t.c.due_at <= bindparam("at", type_=_t.c.due_at.type), 1), else_=2)

    def which(query: Select[Any]) -> Select[Any]:
        waits = query.where(_t.c.lane == bindparam("of_lane"), tables.one_of(_t.c.state, OPEN), first)
        return waits.order_by(turn, case((turn == 2, _t.c.due_at)), _t.c.id).limit(1)

    free = select(_lane.c.not_before).where(_lane.c.name == _t.c.lane).scalar_subquery()
    whose = which(select(_t.c.conversation_id)).scalar_subquery()
    return select(_conversation).where(_conversation.c.id == whose).with_for_update(), which(
        select(_t, free.label("free"))
    )


def _hold(database: str) -> Any:
    statement = upsert(database, _lane)
    new = {"not_before": statement.excluded.not_before}
    return statement.on_conflict_do_update(index_elements=["name"], set_=new)


_ONE = update(_t).where(_t.c.id == bindparam("one"))
_CLAIMED = _ONE.where(_t.c.state == "sending", _t.c.attempts == bindparam("attempt"))

_LOCK, _OLDEST = (Prepared(each) for each in _oldest())
_ADD = Prepared(_t.insert().inline())
_GET = Prepared(select(_t).where(_t.c.id == bindparam("one")))
_MORE = Prepared(select(_t.c.id).where(_t.c.lane == bindparam("of_lane"), tables.one_of(_t.c.state, OPEN)).limit(1))
_SET = Prepared(_ONE)
_CLOSE = Prepared(_ONE.values(_FORGET))
_SETTLE = Prepared(_CLAIMED)
_FORGET_AND_SETTLE = Prepared(_CLAIMED.values(_FORGET))
_HOLD = Prepared(_hold)


class Outbox:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, drafts: tuple[Draft, ...], now: datetime) -> None:
        for draft in drafts:
            row = {
                "lane": storable(draft.part.chat.lane),
                "key": draft.key,
                "conversation_id": draft.conversation_id,
                "author": draft.author.value,
                "chat": dump_chat(draft.part.chat),
                "text": storable(draft.text),
                "payload": dump_json(draft.part.payload),
                "state": "pending",
                "attempts": 0,
                "uncertain": 0,
                "correlation": draft.correlation,
                "created_at": now,
                "due_at": draft.due_at or now,
                "expires_at": draft.expires_at,
                "secret": int(draft.secret),
            }
            await self._connection.tell(_ADD, row)

    async def has(self, key: str) -> bool:
        return (await self._connection.execute(select(_t.c.id).where(_t.c.key == key))).first() is not None

    async def next(self, lane: str, now: datetime) -> Next | None:
        """The next of the lane: of each conversation only the first that is not settled counts, so that its order is kept.

        What was being sent comes first, then what is due, the oldest before the others, then what is due soonest: a reply that can
        still be taken back holds up its own conversation, and no other one. Nobody else changes the conversation before this
        transaction ends. Raises ConflictError when another one's turn has come while this waited for that: look again.
        """
        where = {"of_lane": lane, "at": now}
        # The conversation's lock comes before anything of the outbox, as for whoever takes over: else the two deadlock.
        locked, oldest = await self._connection.ask((_LOCK, where), (_OLDEST, where))
        conversation, row = locked.one_or_none(), oldest.one_or_none()
        if conversation is None:
            return None
        if row is None or row.conversation_id != conversation.id:
            raise ConflictError
        return Next(_letter(row), conversation_of(conversation), row.free)

    async def revise(self, key: str, part: Part) -> bool:
        """Say something else in the part ``key``; False when it is on its way, may have arrived, or is gone."""
        result = await self._connection.execute(
            update(_t)
            .where(_t.c.key == key, _t.c.state == "pending", _t.c.uncertain == 0)
            .values(payload=dump_json(part.payload))
        )
        return bool(result.rowcount)

    async def unsaid(self, conversation_id: str, error: str) -> tuple[Letter, ...]:
        """What was dropped in the conversation because of ``error``, in its order."""
        query = select(_t).where(_t.c.conversation_id == conversation_id, _t.c.state == "dropped", _t.c.error == error)
        return tuple(_letter(row) for row in await self._connection.execute(query.order_by(_t.c.id)))

    async def caught_up(self, letters: tuple[Letter, ...]) -> None:
        """What these said is said anew elsewhere."""
        await self._connection.execute(
            update(_t).where(_t.c.id.in_([letter.id for letter in letters])).values(error="said anew")
        )

    async def of_correlation(self, conversation_id: str, correlation: str) -> tuple[Letter, ...]:
        query = select(_t).where(_t.c.conversation_id == conversation_id, _t.c.correlation == correlation)
        return tuple(_letter(row) for row in await self._connection.execute(query.order_by(_t.c.id)))

    async def hold(self, lane: str, until: datetime) -> None:
        """Send nothing in this lane before ``until``, whatever becomes of the message that it was asked for."""
        await self._connection.tell(_HOLD, {"name": lane, "not_before": until})

    async def mark_sending(self, letter: Letter, *, uncertain: int) -> None:
        values = {"state": "sending", "attempts": letter.attempts + 1, "uncertain": uncertain}
        await self._connection.tell(_SET, {"one": letter.id, **values})

    async def settle(self, letter: Letter, **values: Any) -> bool:
        """Write the outcome of the send that ``letter`` describes; False when another send of it has begun meanwhile."""
        statement = _SETTLE if values["state"] in OPEN else _FORGET_AND_SETTLE
        clean = {key: storable(value) if isinstance(value, str) else value for key, value in values.items()}
        result = await self._connection.execute(statement, {"one": letter.id, "attempt": letter.attempts, **clean})
        return bool(result.rowcount)

    async def sent(self, letter: Letter, platform_id: str, now: datetime, *, last: bool) -> tuple[bool, bool]:
        """``settle`` it as sent, and whether anything is to be sent in its lane after it. ``last``: nothing follows from either."""
        outcome = {"state": "sent", "platform_id": storable(platform_id), "sent_at": now}
        settled, more = await self._connection.ask(
            (_FORGET_AND_SETTLE, {"one": letter.id, "attempt": letter.attempts, **outcome}),
            (_MORE, {"of_lane": letter.lane}),
            last=last,
        )
        return bool(settled.rowcount), more.first() is not None

    async def close(self, letter: Letter, state: str, error: str, *, uncertain: int | None = None) -> None:
        values = {"state": state, "error": error, "uncertain": letter.uncertain if uncertain is None else uncertain}
        await self._connection.tell(_CLOSE, {"one": letter.id, **values})

    async def get(self, letter_id: int) -> Letter | None:
        row = (await self._connection.execute(_GET, {"one": letter_id})).one_or_none()
        return None if row is None else _letter(row)

    async def revive(self, letter: Letter, now: datetime, *, excused: int) -> bool:
        """Put what failed for good back into its place in the lane; False when somebody else has settled it meanwhile."""
        return await self._unfail(letter, state="pending", due_at=now, retried_at=now, excused=excused)

    async def give_up(self, letter: Letter, why: str) -> bool:
        """What failed for good is not looked at any more; False when somebody else has settled it meanwhile."""
        return await self._unfail(letter, state="dropped", error=storable(why), **_FORGET)

    async def _unfail(self, letter: Letter, **values: Any) -> bool:
        failed = (_t.c.id == letter.id, _t.c.state.in_(FAILED), _t.c.attempts == letter.attempts)
        return bool((await self._connection.execute(update(_t).where(*failed).values(**values))).rowcount)

    async def drop_bot(self, conversation_id: str, why: str) -> tuple[int, ...]:
        """What the bot is not sending just now in this conversation will not be sent.

        The ids of what has surely not arrived, in its order, without what only its reader may see.
        """
        dropped = await self._connection.execute(
            update(_t)
            .where(_t.c.conversation_id == conversation_id, _t.c.state == "pending", _t.c.author == Author.BOT.value)
            .values(state="dropped", error=why, **_FORGET)
            .returning(_t.c.id, _t.c.uncertain, _t.c.secret)
        )
        return tuple(sorted(row.id for row in dropped if not row.uncertain and not row.secret))

    async def withdraw(self, conversation_id: str, correlation: str, why: str) -> tuple[Letter, ...] | None:
        """Take back what was to be said under ``correlation``; None, and nothing is done, when some of it is out or on its way."""
        letters = await self.of_correlation(conversation_id, correlation)
        if not letters or any(letter.state != "pending" or letter.attempts for letter in letters):
            return None
        for letter in letters:
            await self.close(letter, "dropped", why)
        return letters

    async def waiting(self) -> tuple[str, ...]:
        """The lanes that have something to be sent; for the sweeper."""
        rows = await self._connection.execute(select(_t.c.lane).where(tables.one_of(_t.c.state, OPEN)).distinct())
        return tuple(rows.scalars())

    async def in_state(self, *states: str) -> tuple[Letter, ...]:
        rows = await self._connection.execute(select(_t).where(tables.one_of(_t.c.state, states)).order_by(_t.c.id))
        return tuple(_letter(row) for row in rows)

    async def uncertain_sends(self) -> int:
        """How many sends nobody knows the outcome of: an upper bound of the duplicates that customers may have seen."""
        return int((await self._connection.execute(select(func.coalesce(func.sum(_t.c.uncertain), 0)))).scalar_one())

    async def of_conversation(self, conversation_id: str, newest: int | None = None) -> tuple[Letter, ...]:
        """All of them, or the ``newest``, oldest first."""
        query = select(_t).where(_t.c.conversation_id == conversation_id).order_by(_t.c.id.desc()).limit(newest)
        rows = (await self._connection.execute(query)).all()
        return tuple(_letter(row) for row in reversed(rows))


def _letter(row: Row[Any]) -> Letter:
    chat: ChatRef = load_chat(row.chat)
    return Letter(
        id=row.id,
        lane=row.lane,
        key=row.key,
        conversation_id=row.conversation_id,
        author=Author(row.author),
        part=Part(chat, row.payload, row.key),
        text=row.text,
        state=row.state,
        attempts=row.attempts,
        uncertain=row.uncertain,
        correlation=row.correlation,
        platform_id=row.platform_id,
        error=row.error,
        created_at=row.created_at,
        due_at=row.due_at,
        expires_at=row.expires_at,
        sent_at=row.sent_at,
        secret=bool(row.secret),
        retried_at=row.retried_at,
        excused=row.excused,
    )
