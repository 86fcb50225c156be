"""How a ticket ends and begins anew: resolved, confirmed by the customer or closed, reopened. One transaction each."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from bot.desk.case import Case, TicketError
from bot.desk.talking import Talking
from bot.desk.watch import CLOSE
from bot.dialogue import actions
from bot.dialogue.aftercare import SOLVED
from bot.dialogue.voice import Voice
from bot.model import Author, Button, Mode, Pending, Person, Ticket, TicketState


class Settling(Talking):
    async def resolve(self, number: int, staff: Person, text: str = "") -> Ticket:
        """The matter is settled: ``text``, if any, is said, then the customer is asked whether it is. The bot has the word again.

        Raises TicketError when somebody else has it, or it is done already.
        """
        async with self._case(number) as case:
            self._own(case, staff)
            if not case.ticket.open:
                raise TicketError(f"{case.ticket.key} is {case.ticket.state.value} already.", "done_already")
            if text:
                await self._spoken(case, staff, text)
            now = self.clock()
            by = case.ticket.owner or staff
            await self._save(
                case,
                replace(case.ticket, state=TicketState.RESOLVED, resolved_at=now, assignee=by.name, assignee_id=by.id),
            )
            await self._let_go(case)
            await self.watch.end(case.session, number)
            await self.watch.later(case.session, CLOSE, case.ticket, now + self.habits.close_after)
            await self._event(case, "ticket_resolved", staff, {})
            await self._ask_whether_solved(case)
            return case.ticket

    async def close(self, number: int, staff: Person) -> Ticket:
        """The ticket ends without a word to the customer: it was a mistake, or it is over anyway. Raises TicketError."""
        async with self._case(number) as case:
            self._own(case, staff)
            if case.ticket.state is TicketState.CLOSED:
                raise TicketError(f"{case.ticket.key} is closed already.", "done_already")
            owned, now = case.ticket.owner is not None, self.clock()
            resolved_at = case.ticket.resolved_at or now
            await self._save(case, replace(case.ticket, state=TicketState.CLOSED, resolved_at=resolved_at))
            if owned or (case.conversation.ticket == number and case.conversation.mode is Mode.WAITING):
                await self._let_go(case)
            await self.watch.end(case.session, number)
            await self._event(case, "ticket_closed", staff, {"how": "staff"})
            return case.ticket

    async def reopen(self, number: int, staff: Person) -> Ticket:
        """It goes on: ``staff`` has it, and the customer is told. Raises TicketError when it is not done."""
        async with self._case(number) as case:
            if case.ticket.open or case.ticket.merged_into is not None:
                state = "a part of another ticket" if case.ticket.merged_into else case.ticket.state.value
                raise TicketError(f"{case.ticket.key} cannot be reopened: it is {state}.", "not_done")
            # Reopening is taking what is resolved: a closed one is put back to that first.
            await self._save(case, replace(case.ticket, state=TicketState.RESOLVED))
            await self._taken(case, staff)
            await self.watch.end(case.session, number)
            await self._notice(case, "staff.reopened", staff=staff.name)
            return case.ticket

    async def _ask_whether_solved(self, case: Case) -> None:
        number, now = case.ticket.number, self.clock()
        yes, no = actions.solved(number), actions.unsolved(number)
        voice = Voice(self.catalogue(), self._language(case), case.ticket.key)
        asked = await self._worded(case, "staff.resolved")
        buttons = (Button(voice.text("button.solved"), yes), Button(voice.text("button.unsolved"), no))
        await self._say(case, replace(asked, buttons=buttons), Author.NOTICE, correlation=str(uuid4()))
        if case.conversation.mode is Mode.HUMAN:
            return  # another ticket of this conversation is with somebody: the buttons do, no question is left open
        expires_at = now + self.habits.close_after
        pending = Pending(SOLVED, now, (yes, no), {"ticket": str(number)}, expires_at)
        await self._save_conversation(case, replace(case.conversation, pending=pending))
