"""Watches over tickets: staff hear of what concerns them, and hear it again while nobody takes it.

It writes events and timers in the caller's transaction; the clockwork rings them. It must not know how staff are told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.agreement.calendar import Hours
from bot.desk.ladder import ESCALATE, REMIND, Ladder
from bot.model import StaffAlert, Ticket, ticket_key
from bot.storage.store import Session
from bot.storage.timers import Timer

log = structlog.get_logger(__name__)

PROMISE, SILENCE, CLOSE, SILENT = "promise", "silence", "close", "silent"
"""More kinds of timers: a first response that was promised; one that was not, but is due before silence becomes rude; a resolved
ticket that nobody contradicts; a customer who was asked something and says nothing.
"""


def promise_key(ticket: int) -> str:
    return f"{PROMISE}:{ticket}"


@dataclass(frozen=True, slots=True)
class Watch:
    ladder: Ladder = field(default_factory=Ladder)

    async def begin(
        self, session: Session, ticket: Ticket, now: datetime, hours: Hours | None, attention: timedelta | None = None
    ) -> None:
        """Nobody has the ticket: its promise and the ladder run from now on.

        ``attention``: after how much time of service a customer without a promise is owed a word.
        """
        await self.end(session, ticket.number)
        if ticket.due_at is not None:
            promise = Timer(promise_key(ticket.number), PROMISE, ticket.conversation_id, ticket.due_at, ticket.number)
            await session.timers.set(promise)
        elif hours is not None and attention is not None and (due := hours.after(now, attention)) is not None:
            key = promise_key(ticket.number)
            await session.timers.set(Timer(key, SILENCE, ticket.conversation_id, due, ticket.number))
        for rung in self.ladder.rungs(now, hours):
            key = f"{rung.kind}:{ticket.number}:{rung.step}"
            await session.timers.set(Timer(key, rung.kind, ticket.conversation_id, rung.at, ticket.number))

    async def taken(self, session: Session, number: int) -> None:
        """Somebody has it: the ladder stands still, what was promised to the customer is still promised."""
        await session.timers.cancel_all(number, (REMIND, ESCALATE, CLOSE, SILENT))

    async def end(self, session: Session, number: int) -> None:
        """Nothing is due about the ticket any more."""
        await session.timers.cancel_all(number, (REMIND, ESCALATE, CLOSE, SILENT, PROMISE, SILENCE))

    async def later(self, session: Session, kind: str, ticket: Ticket, due: datetime) -> None:
        timer = Timer(f"{kind}:{ticket.number}", kind, ticket.conversation_id, due, ticket.number)
        await session.timers.set(timer)

    async def alert(
        self,
        session: Session,
        alert: StaffAlert,
        conversation_id: str,
        now: datetime,
        correlation: str | None = None,
    ) -> None:
        """``correlation`` is that of the message which caused it, so that its words are forgotten with the message."""
        await session.events.add(
            "staff_alert",
            actor="desk",
            now=now,
            conversation_id=conversation_id,
            ticket=alert.ticket,
            correlation=correlation,
            data={"key": alert.key, "step": alert.step, "to": list(alert.to), "text": alert.text},
        )
        log.info("staff_alert", key=alert.key, ticket=ticket_key(alert.ticket), step=alert.step)


def concerned(ticket: Ticket) -> tuple[str, ...]:
    """Whom news of the ticket concerns first; nobody in particular where nobody has it."""
    return (ticket.assignee_id,) if ticket.assignee_id is not None else ()
