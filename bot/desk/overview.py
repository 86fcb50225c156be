"""What people want to see of the desk without taking part: tickets, and messages that went wrong."""

from __future__ import annotations

from typing import Any

from bot.storage.inbox import Received
from bot.storage.outbox import Letter
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


async def letters_overview(store: Store) -> list[Row]:
    async with store.snapshot() as session:
        incoming = [_incoming(received) for received in await session.inbox.dead()]
        return incoming + [_outgoing(letter) for letter in await session.outbox.in_state("dead", "uncertain")]


async def retry_letter(store: Store, number: int) -> bool:
    """Put an incoming dead letter back; the sweeper of the running bot finds it. False if there is none of that number."""
    async with store.transaction() as session:
        return await session.inbox.revive(number) is not None


def _incoming(received: Received) -> Row:
    return {
        "way": "in",
        "number": received.id,
        "state": "dead",
        "attempts": received.attempts,
        "chat": received.message.chat.lane,
        "error": (received.error or "").strip().rsplit("\n", 1)[-1],
        "text": received.message.text,
    }


def _outgoing(letter: Letter) -> Row:
    return {
        "way": "out",
        "number": letter.id,
        "state": letter.state,
        "attempts": letter.attempts,
        "chat": letter.lane,
        "error": letter.error,
        "text": letter.text,
    }
