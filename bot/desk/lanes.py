"""The kinds of work that the engine wakes: a conversation with unhandled messages, a lane of the outbox with unsent ones."""

from __future__ import annotations

from bot.storage.store import Store

HANDLE = "handle"
DELIVER = "deliver"


async def waiting(store: Store) -> list[tuple[str, str]]:
    """Everything that has something to do, from the tables; for the sweeper."""
    async with store.snapshot() as session:
        conversations = await session.inbox.waiting()
        lanes = await session.outbox.waiting()
    return [(HANDLE, conversation) for conversation in conversations] + [(DELIVER, lane) for lane in lanes]
