"""Who of staff is there. Whoever goes leaves nobody alone: what they have is offered to the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.desk.case import Case, Office
from bot.model import Conversation, Mode, Person, TicketState
from bot.storage.staff import Member


class Attending(Office):
    async def away(self, staff: Person, back_at: datetime | None = None) -> tuple[str, ...]:
        """``staff`` is not there any more, until ``back_at`` if that is known; the keys of the tickets that are offered to others.

        Their customers may go on writing: what they write is kept with the ticket, and the bot says so.
        """
        now = self.clock()
        async with self.store.transaction() as session:
            await session.staff.away(staff, now, back_at)
            await session.events.add("staff_away", actor=f"staff:{staff.id}", now=now, data={"name": staff.name})
            # Always in the same order, so that two who go at the same time do not wait for each other.
            locked: dict[str, Conversation] = {}
            for ticket in sorted(await session.tickets.owned_by(staff.id), key=lambda t: t.conversation_id):
                if ticket.conversation_id not in locked:
                    locked[ticket.conversation_id] = await session.conversations.get(ticket.conversation_id, lock=True)
            offered = []
            for ticket in await session.tickets.owned_by(staff.id):
                if ticket.conversation_id not in locked:
                    continue  # taken a moment ago: by whoever is not away after all
                case = Case(session, ticket, locked[ticket.conversation_id])
                await self._offer(case, staff)
                locked[ticket.conversation_id] = case.conversation
                offered.append(ticket.key)
        return tuple(offered)

    async def here(self, staff: Person) -> None:
        now = self.clock()
        async with self.store.transaction() as session:
            await session.staff.seen(staff, now)
            await session.events.add("staff_here", actor=f"staff:{staff.id}", now=now, data={"name": staff.name})

    async def colleagues(self) -> tuple[Member, ...]:
        """Everybody who has ever acted, with whether they are there."""
        async with self.store.snapshot() as session:
            return await session.staff.all()

    async def _offer(self, case: Case, staff: Person) -> None:
        await self._save(case, replace(case.ticket, state=TicketState.OPEN, assignee=None, assignee_id=None))
        others = await case.session.tickets.owned_in(case.conversation.id)
        if others:
            newest = others[-1]
            after = replace(case.conversation, mode=Mode.HUMAN, owner=newest.assignee_id, ticket=newest.number)
        else:
            after = replace(case.conversation, mode=Mode.WAITING, owner=None)
        await self._save_conversation(case, after)
        await self._begin(case)
        await self._event(case, "ticket_offered", staff, {})
        await self._alert(case, "offered", text=staff.name)
