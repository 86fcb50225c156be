"""The kinds of work that the engine wakes: a conversation with unhandled messages or with timers that have run out, a lane of the
outbox with unsent messages, an attachment that is to be fetched, a conversation of which staff are to be told something.
"""

from __future__ import annotations

from datetime import datetime

from bot.storage.store import Store

HANDLE = "handle"
DELIVER = "deliver"
CLOCK = "clock"
FETCH = "fetch"
TELL = "tell"


async def waiting(store: Store, now: datetime, *, staffed: bool = False) -> list[tuple[str, str]]:
    """Everything that has something to do, from the tables; for the sweeper. ``staffed``: staff have a place to be told in."""
    async with store.snapshot() as session:
        conversations = await session.inbox.waiting()
        lanes = await session.outbox.waiting()
        clocks = await session.timers.waiting(now)
        attachments = await session.attachments.waiting(now)
        news = await session.events.waiting() if staffed else ()
    return [
        *((HANDLE, conversation) for conversation in conversations),
        *((DELIVER, lane) for lane in lanes),
        *((CLOCK, conversation) for conversation in clocks),
        *((FETCH, str(attachment)) for attachment in attachments),
        *((TELL, conversation) for conversation in news),
    ]
