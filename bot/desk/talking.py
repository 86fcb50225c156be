"""What staff do in a talk with a customer: take it, answer, take an answer back, note, ask, hand back. One transaction each.

While a person owns a conversation the bot is silent; what it was about to say is dropped in the transaction that takes it over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from bot.desk.case import Case, Office, TicketError
from bot.desk.effects import subject
from bot.desk.files import passed_on
from bot.desk.saying import address_of
from bot.desk.watch import SILENT
from bot.dialogue.voice import Reply, Voice
from bot.model import Author, Mode, Person, Priority, Ticket, TicketState
from bot.storage.tickets import NewTicket


class Talking(Office):
    async def open(self, conversation_id: str, staff: Person) -> int:
        """A ticket for a conversation that ``staff`` joins before the bot saw a need for one; its number."""
        now = self.clock()
        async with self.store.transaction() as session:
            conversation = await session.conversations.get(conversation_id, lock=True)
            ticket = await session.tickets.open(
                NewTicket(
                    key=f"{conversation_id}:{uuid4()}",
                    conversation_id=conversation_id,
                    reason="joined",
                    category=None,
                    topic=conversation.topic,
                    priority=Priority.NORMAL,
                    subject=subject(conversation.last_text or ""),
                    facts={"text": conversation.last_text} if conversation.last_text else {},
                    organisation=conversation.organisation,
                ),
                now,
            )
            case = Case(session, ticket, conversation)
            await self._save_conversation(case, replace(conversation, ticket=ticket.number))
            await self._event(case, "ticket_opened", staff, {"reason": ticket.reason})
        return ticket.number

    async def take(self, number: int, staff: Person) -> Ticket:
        """``staff`` becomes the owner and the bot falls silent; taking one's own again changes nothing.

        Raises TicketError when somebody else has it, unless they are away, or when it is closed.
        """
        async with self._case(number) as case:
            if await self._taken(case, staff):
                await self._notice(case, "staff.taken", staff=staff.name)
            return case.ticket

    async def assign(self, number: int, staff: Person, to: Person) -> Ticket:
        """``to`` is asked to take it; a ticket that is owned passes to them at once. Raises TicketError when they are away."""
        async with self._case(number) as case:
            self._not_closed(case)
            member = await case.session.staff.get(to.id)
            if member is not None and not member.here(self.clock()):
                message = f"{to.name} is away; assign {case.ticket.key} to somebody who is there."
                raise TicketError(message, "away", staff=to.name)
            before = case.ticket.owner
            if before is not None and before.id == to.id:
                return case.ticket
            await self._save(case, replace(case.ticket, assignee=to.name, assignee_id=to.id))
            if before is not None:
                await self._save_conversation(
                    case, replace(case.conversation, owner=to.id, ticket=case.ticket.number, mode=Mode.HUMAN)
                )
                await self._notice(case, "staff.taken", staff=to.name)
            await self._event(case, "ticket_assigned", staff, {"to": to.id, "to_name": to.name})
            await self._alert(case, "assigned", to.id)
            return case.ticket

    async def reply(self, number: int, staff: Person, text: str, files: Sequence[int] = ()) -> Ticket:
        """Say ``text`` to the customer; taking the ticket over comes with it. Raises TicketError as ``take`` does.

        ``files`` are attachments of the ticket that go along, in this order; raises AttachmentError for one that must not.
        """
        async with self._case(number) as case:
            await self._replied(case, staff, text, files=files)
            return case.ticket

    async def reply_with(self, number: int, staff: Person, canned: str) -> Ticket:
        """Say the prepared text ``canned``, a key below ``canned`` in the texts. Raises TicketError when there is none."""
        async with self._case(number) as case:
            address = await address_of(case.session, case.conversation)
            voice = Voice(self.catalogue(), self._language(case), case.ticket.key, address)
            if f"canned.{canned}" not in self.catalogue().texts[voice.language]:
                raise TicketError(f"There is no prepared text {canned!r}; there are: {', '.join(self.canned())}.")
            try:
                text = voice.text(f"canned.{canned}", staff=staff.name)
            except KeyError as error:
                raise TicketError(f"Nothing fills in {{{error.args[0]}}} in the prepared text {canned!r}.") from None
            await self._replied(case, staff, text)
            return case.ticket

    def canned(self) -> tuple[str, ...]:
        """The keys of the prepared texts."""
        texts = self.catalogue().texts[self.habits.staff_language]
        return tuple(sorted(key.removeprefix("canned.") for key in texts if key.startswith("canned.")))

    async def undo(self, number: int, staff: Person) -> str:
        """Take back the last reply of ``staff`` before it is sent; its text. Raises TicketError when it is too late for that."""
        async with self._case(number) as case:
            events = await case.session.events.of_ticket(number)
            undone = {event.correlation for event in events if event.kind == "staff_undone"}
            said = [
                event
                for event in events
                if event.kind == "staff_replied"
                and event.actor == f"staff:{staff.id}"
                and event.correlation is not None
                and event.correlation not in undone
            ]
            last = said[-1] if said else None
            why = f"taken back by {staff.name}"
            if (
                last is None
                or last.correlation is None
                or await case.session.outbox.withdraw(case.conversation.id, last.correlation, why) is None
            ):
                raise TicketError(
                    f"There is no reply of yours to {case.ticket.key} that has not been sent yet.", "nothing_to_undo"
                )
            if case.ticket.state is TicketState.WAITING_FOR_CUSTOMER and last.data.get("asks"):
                await self._save(case, replace(case.ticket, state=TicketState.TAKEN))
                await self.watch.taken(case.session, number)
            await self._event(case, "staff_undone", staff, {"text": last.data["text"]}, correlation=last.correlation)
            return str(last.data["text"])

    async def note(self, number: int, staff: Person, text: str) -> None:
        """Write something down for staff; nothing of it is ever put into an outbox."""
        async with self._case(number) as case:
            await self._noted(case, staff, text)

    async def ask(self, number: int, staff: Person, text: str) -> Ticket:
        """Say ``text`` to the customer and wait for the answer. Raises TicketError as ``take`` does."""
        async with self._case(number) as case:
            await self._replied(case, staff, text, asks=True)
            await self._save(case, replace(case.ticket, state=TicketState.WAITING_FOR_CUSTOMER))
            await self.watch.later(case.session, SILENT, case.ticket, self.clock() + self.habits.close_after)
            return case.ticket

    async def hand_back(self, number: int, staff: Person, text: str = "") -> Ticket:
        """The bot has the word again, with nothing pending; ``text``, if any, is said to the customer first.

        The ticket stays open, for anybody. Raises TicketError when somebody else has it, or it is done.
        """
        async with self._case(number) as case:
            self._own(case, staff)
            if not case.ticket.open:
                raise TicketError(f"{case.ticket.key} is {case.ticket.state.value} already.", "done_already")
            if text:
                await self._spoken(case, staff, text)
            await self._save(case, replace(case.ticket, state=TicketState.OPEN, assignee=None, assignee_id=None))
            await self._let_go(case)
            await self._begin(case)
            await self._event(case, "handed_back", staff, {})
            return case.ticket

    # --- what several of them have in common -----------------------------------------------------------------

    async def _replied(
        self, case: Case, staff: Person, text: str, *, asks: bool = False, files: Sequence[int] = ()
    ) -> str:
        """The correlation under which it is said."""
        if not text.strip() and not files:
            raise TicketError("There is nothing to be said: the text is empty.", "empty")
        await self._taken(case, staff)
        return await self._spoken(case, staff, text, asks=asks, files=files)

    async def _spoken(
        self, case: Case, staff: Person, text: str, *, asks: bool = False, files: Sequence[int] = ()
    ) -> str:
        correlation = str(uuid4())
        reply = Reply(text, files=await passed_on(case.session, case.ticket, files))
        await self._say(case, reply, Author.PERSON, correlation=correlation, undo=self.habits.undo)
        sent = {"files": ", ".join(file.name for file in reply.files)} if files else {}
        data = {"text": text, **sent, **({"asks": True} if asks else {})}
        await self._event(case, "staff_replied", staff, data, correlation=correlation)
        if case.ticket.state is TicketState.WAITING_FOR_CUSTOMER and not asks:
            await self._save(case, replace(case.ticket, state=TicketState.TAKEN))
            await self.watch.taken(case.session, case.ticket.number)
        return correlation

    async def _noted(self, case: Case, staff: Person, text: str, files: Sequence[int] = ()) -> str:
        """The correlation under which it is recorded."""
        correlation = str(uuid4())
        named = [filed.name for each in files if (filed := await case.session.attachments.get(each)) is not None]
        data = {"text": text, **({"files": ", ".join(named)} if named else {})}
        await self._event(case, "staff_noted", staff, data, correlation=correlation)
        return correlation

    async def _taken(self, case: Case, staff: Person) -> bool:
        """Whether ``staff`` has become the owner just now; False when they were."""
        now = self.clock()
        self._not_closed(case)
        owner = case.ticket.owner
        if owner is not None and owner.id == staff.id:
            return False
        if owner is not None:
            member = await case.session.staff.get(owner.id)
            if member is None or member.here(now):
                raise TicketError(f"{case.ticket.key} is with {owner.name}.", "with_somebody", staff=owner.name)
        again = case.ticket.state is TicketState.RESOLVED
        await self._save(
            case,
            replace(
                case.ticket,
                state=TicketState.TAKEN,
                assignee=staff.name,
                assignee_id=staff.id,
                resolved_at=None,
                reopened_at=now if again else case.ticket.reopened_at,
            ),
        )
        await self._save_conversation(
            case,
            replace(case.conversation, mode=Mode.HUMAN, owner=staff.id, pending=None, ticket=case.ticket.number),
        )
        unsaid = await case.session.outbox.drop_bot(case.conversation.id, "a person has taken over")
        await case.session.staff.seen(staff, now)
        await self.watch.taken(case.session, case.ticket.number)
        if again:
            await self._event(case, "ticket_reopened", staff, {})
        before = {"from": owner.name} if owner else {}
        await self._event(case, "ticket_taken", staff, before | ({"unsaid": unsaid} if unsaid else {}))
        return True

    def _own(self, case: Case, staff: Person) -> None:
        owner = case.ticket.owner
        if owner is not None and owner.id != staff.id:
            raise TicketError(f"{case.ticket.key} is with {owner.name}.", "with_somebody", staff=owner.name)

    def _not_closed(self, case: Case) -> None:
        if case.ticket.merged_into is not None:
            raise TicketError(f"{case.ticket.key} is a part of another ticket now.", "merged")
        if case.ticket.state is TicketState.CLOSED:
            raise TicketError(f"{case.ticket.key} is closed; reopen it first.", "closed")
