"""What becomes of a ticket when its customer comes back to it: an answer, a yes, a no, a rating. In the caller's transaction.

It must not decide what the customer meant, nor say anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.desk.watch import Watch, concerned
from bot.dialogue.decisions import Rate, Reopen
from bot.dialogue.situation import Situation
from bot.model import Conversation, StaffAlert, Ticket, TicketState
from bot.storage.inbox import Received
from bot.storage.store import Session


@dataclass(frozen=True, slots=True)
class Returning:
    session: Session
    watch: Watch
    situation: Situation
    now: datetime
    cause: Received
    attention: timedelta | None = None

    async def heard(self, number: int | None, text: str) -> None:
        """Something was added to the ticket; whoever waited for it goes on."""
        ticket = await self.session.tickets.get(number) if number is not None else None
        if ticket is None:
            return
        if ticket.state is TicketState.WAITING_FOR_CUSTOMER:
            await self.session.tickets.save(replace(ticket, state=TicketState.TAKEN))
            await self.watch.taken(self.session, ticket.number)
            await self._event("customer_answered", ticket, {})
        await self._alert("customer_wrote", ticket, text)

    async def confirmed(self, number: int) -> None:
        ticket = await self._done(number)
        if ticket is not None and ticket.state is not TicketState.CLOSED:
            await self.session.tickets.save(replace(ticket, state=TicketState.CLOSED))
            await self.watch.end(self.session, number)
            await self._event("ticket_closed", ticket, {"how": "confirmed"})

    async def rated(self, rate: Rate) -> None:
        ticket = await self._done(rate.ticket)
        if ticket is not None:
            words = rate.words or ticket.rating_words
            await self.session.tickets.save(replace(ticket, rating=rate.rating, rating_words=words))
            await self._event("ticket_rated", ticket, {"rating": rate.rating, "words": rate.words})

    async def reopened(self, after: Conversation, decision: Reopen, respond_by: datetime | None) -> None:
        """The same person is asked to go on, if there; the talk is where the customer is now."""
        ticket = await self._done(decision.ticket.number)
        if ticket is None:
            return  # opened again by staff meanwhile
        ticket = replace(
            ticket,
            state=TicketState.OPEN,
            conversation_id=after.id,
            assignee=decision.ticket.assignee,
            assignee_id=decision.ticket.assignee_id,
            resolved_at=None,
            reopened_at=self.now,
            due_at=respond_by,
        )
        await self.session.tickets.save(ticket)
        await self.watch.begin(self.session, ticket, self.now, self.situation.hours(self.now), self.attention)
        await self._event("ticket_reopened", ticket, {"text": decision.about.text})
        await self._alert("reopened", ticket, decision.about.text)

    async def _done(self, number: int) -> Ticket | None:
        """The ticket if it is still done and nobody else's."""
        ticket = await self.session.tickets.get(number)
        return None if ticket is None or ticket.open or ticket.merged_into is not None else ticket

    async def _alert(self, key: str, ticket: Ticket, text: str) -> None:
        alert = StaffAlert(key, ticket.number, to=concerned(ticket), text=text)
        await self.watch.alert(self.session, alert, ticket.conversation_id, self.now, self.cause.correlation)

    async def _event(self, kind: str, ticket: Ticket, data: Mapping[str, object]) -> None:
        message = self.cause.message
        await self.session.events.add(
            kind,
            actor=f"{message.chat.adapter}:{message.sender.id}",
            now=self.now,
            conversation_id=ticket.conversation_id,
            ticket=ticket.number,
            correlation=self.cause.correlation,
            data={"name": message.sender.name, **data},
        )
