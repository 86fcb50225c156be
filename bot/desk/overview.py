"""What people want to see of the desk without taking part."""

from __future__ import annotations

from typing import Any

from bot.storage.store import Store

Row = dict[str, Any]


async def tickets_overview(store: Store) -> list[Row]:
    async with store.snapshot() as session:
        return [
            {
                "key": ticket.key,
                "state": ticket.state.value,
                "priority": ticket.priority.value,
                "owner": ticket.assignee,
                "reason": ticket.reason,
                "category": ticket.category.value if ticket.category else None,
                "topic": ticket.topic,
                "opened": ticket.created_at.isoformat(timespec="seconds"),
                "subject": ticket.subject,
                "facts": dict(ticket.facts),
            }
            for ticket in await session.tickets.all()
        ]
