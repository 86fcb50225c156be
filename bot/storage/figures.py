"""Figures of all the processes together, from the tables: what waits, for how long, and how many tickets there are.

It must not show a word, a name or an id of anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from bot.storage import tables
from bot.storage.attachments import FAILED, TO_DO
from bot.storage.connection import Connection
from bot.storage.outbox import FAILED as UNSENT
from bot.storage.outbox import OPEN

_conversation, _inbox, _outbox = tables.conversation, tables.inbox, tables.outbox
_timer, _attachment, _ticket = tables.timer, tables.attachment, tables.ticket

QUEUES = ("inbox", "outbox", "timers", "fetch", "dead_inbox", "dead_outbox", "dead_fetch")


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits of one kind, see ``QUEUES``, for one adapter; ``oldest`` is since when the one that has waited longest does."""

    kind: str
    adapter: str
    length: int
    oldest: datetime


class Figures:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def queues(self, now: datetime) -> tuple[Queue, ...]:
        """Queues in which something waits by ``now``."""
        accepted = _inbox.c.message["chat"]["adapter"].as_string()
        addressed = _outbox.c.chat["adapter"].as_string()
        asked = {
            "inbox": (accepted, _inbox.c.received_at, _inbox.c.state == "new"),
            "outbox": (addressed, _outbox.c.created_at, tables.one_of(_outbox.c.state, OPEN)),
            "timers": (_conversation.c.adapter, _timer.c.due_at, _timer.c.due_at <= now),
            "fetch": (_attachment.c.adapter, _attachment.c.created_at, tables.one_of(_attachment.c.state, TO_DO)),
            "dead_inbox": (accepted, _inbox.c.handled_at, _inbox.c.state == "dead"),
            "dead_outbox": (addressed, _outbox.c.created_at, tables.one_of(_outbox.c.state, UNSENT)),
            "dead_fetch": (_attachment.c.adapter, _attachment.c.settled_at, _attachment.c.state == FAILED),
        }
        found = []
        for kind, (adapter, since, which) in asked.items():
            query: Any = select(adapter.label("adapter"), func.count().label("length"), func.min(since).label("oldest"))
            if kind == "timers":
                query = query.select_from(_timer.join(_conversation))
            rows = await self._connection.execute(query.where(which).group_by(adapter))
            found += [Queue(kind, row.adapter, row.length, row.oldest) for row in rows]
        return tuple(found)

    async def tickets(self) -> Mapping[tuple[str, str], int]:
        """How many tickets there are, by the adapter of the customer's chat and by state."""
        query = (
            select(_conversation.c.adapter, _ticket.c.state, func.count())
            .select_from(_ticket.join(_conversation))
            .group_by(_conversation.c.adapter, _ticket.c.state)
        )
        return {(adapter, state): count for adapter, state, count in await self._connection.execute(query)}
