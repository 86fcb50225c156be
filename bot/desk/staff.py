"""What staff do with a ticket: take it, answer, note, hand it back, resolve it. One transaction each.

While a person owns a conversation the bot is silent; what it was about to say is dropped in the transaction that takes it over.
It must not know from which surface a person acts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

from bot.catalogue.catalogue import Catalogue
from bot.desk.effects import subject
from bot.desk.files import passed_on
from bot.desk.saying import say
from bot.dialogue.speak import notice
from bot.dialogue.voice import Reply
from bot.errors import FirstlineError
from bot.model import Author, Conversation, Language, Mode, Person, Priority, Ticket, TicketState, ticket_key
from bot.ports import ChatAdapter, Clock, Engine
from bot.storage.store import Session, Store
from bot.storage.tickets import NewTicket


class TicketError(FirstlineError):
    """This cannot be done with this ticket."""


@dataclass(frozen=True)
class Case:
    """A ticket with its conversation, both locked by the transaction in which they were read."""

    session: Session
    ticket: Ticket
    conversation: Conversation


@dataclass(frozen=True)
class Desk:
    store: Store
    engine: Engine
    adapters: Mapping[str, ChatAdapter]
    catalogue: Callable[[], Catalogue]
    clock: Clock
    default_language: Language

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
            await session.conversations.save(replace(conversation, ticket=ticket.number), now)
            await session.events.add(
                "ticket_opened",
                actor=f"staff:{staff.id}",
                now=now,
                conversation_id=conversation_id,
                ticket=ticket.number,
                data={"reason": ticket.reason},
            )
        return ticket.number

    async def take(self, number: int, staff: Person) -> Ticket:
        """``staff`` becomes the owner and the bot falls silent. Raises TicketError when somebody else has it or it is closed."""
        async with self._case(number) as case:
            case = await self._taken(case, staff)
            await self._notice(case, "staff.taken", staff=staff.name)
            return case.ticket

    async def reply(self, number: int, staff: Person, text: str, files: Sequence[int] = ()) -> Ticket:
        """Say ``text`` to the customer; taking the ticket over comes with it. Raises TicketError as ``take`` does.

        ``files`` are attachments of the ticket that go along, in this order; raises AttachmentError for one that must not.
        """
        async with self._case(number) as case:
            case = await self._taken(case, staff)
            reply = Reply(text, files=await passed_on(case.session, case.ticket, files))
            await self._say(case, reply, Author.PERSON)
            sent = {"files": ", ".join(file.name for file in reply.files)} if files else {}
            await self._event(case, "staff_replied", staff, {"text": text, **sent})
            return case.ticket

    async def note(self, number: int, staff: Person, text: str) -> None:
        """Write something down for staff; nothing of it is ever put into an outbox."""
        async with self._case(number) as case:
            await self._event(case, "staff_noted", staff, {"text": text})

    async def hand_back(self, number: int, staff: Person, text: str = "") -> Ticket:
        """The bot has the word again, with nothing pending; ``text``, if any, is said to the customer first."""
        async with self._case(number) as case:
            if text:
                await self._say(case, Reply(text), Author.PERSON)
            return await self._released(case, staff, "handed_back", TicketState.OPEN)

    async def resolve(self, number: int, staff: Person) -> Ticket:
        """The matter is settled; the customer is told and can say otherwise. The bot has the word again."""
        async with self._case(number) as case:
            if case.ticket.state in (TicketState.RESOLVED, TicketState.CLOSED):
                raise TicketError(f"{case.ticket.key} is {case.ticket.state.value} already.")
            await self._notice(case, "staff.resolved")
            return await self._released(case, staff, "ticket_resolved", TicketState.RESOLVED)

    @asynccontextmanager
    async def _case(self, number: int) -> AsyncIterator[Case]:
        async with self.store.transaction() as session:
            ticket = await session.tickets.get(number)
            if ticket is None:
                raise TicketError(f"There is no ticket {ticket_key(number)}.")
            conversation = await session.conversations.get(ticket.conversation_id, lock=True)
            # Read again under the lock: of two who take it at the same time, the second must see the first.
            ticket = await session.tickets.get(number)
            assert ticket is not None
            yield Case(session, ticket, conversation)

    async def _taken(self, case: Case, staff: Person) -> Case:
        if case.ticket.state is TicketState.CLOSED:
            raise TicketError(f"{case.ticket.key} is closed.")
        owned = case.conversation.mode is Mode.HUMAN and case.ticket.state is TicketState.TAKEN
        if owned and case.conversation.owner == staff.id:
            return case
        if owned:
            raise TicketError(f"{case.ticket.key} is with {case.ticket.assignee}.")
        now = self.clock()
        ticket = replace(case.ticket, state=TicketState.TAKEN, assignee=staff.name)
        conversation = replace(
            case.conversation, mode=Mode.HUMAN, owner=staff.id, pending=None, ticket=case.ticket.number
        )
        await case.session.tickets.save(ticket)
        await case.session.conversations.save(conversation, now)
        await case.session.outbox.drop_bot(conversation.id, "a person has taken over")
        case = Case(
            case.session,
            replace(ticket, version=ticket.version + 1),
            replace(conversation, version=conversation.version + 1),
        )
        await self._event(case, "ticket_taken", staff, {})
        return case

    async def _released(self, case: Case, staff: Person, event: str, state: TicketState) -> Ticket:
        now = self.clock()
        ticket = replace(
            case.ticket, state=state, assignee=case.ticket.assignee if state is TicketState.RESOLVED else None
        )
        await case.session.tickets.save(ticket)
        # What was pending before a person took over is stale: going on with it is how bots loop after a hand-back.
        await case.session.conversations.save(
            replace(case.conversation, mode=Mode.BOT, owner=None, pending=None, topic=None, misses=0), now
        )
        await self._event(case, event, staff, {})
        return ticket

    async def _notice(self, case: Case, key: str, **values: str) -> None:
        language = case.conversation.language or self.default_language
        await self._say(case, notice(self.catalogue(), language, key, case.ticket.key, **values), Author.NOTICE)

    async def _say(self, case: Case, reply: Reply, author: Author) -> None:
        await say(
            case.session,
            self.engine,
            self.adapters,
            case.conversation,
            reply,
            author=author,
            key=f"{case.conversation.id}:{uuid4()}",
            correlation=str(uuid4()),
            now=self.clock(),
        )

    async def _event(self, case: Case, kind: str, staff: Person, data: Mapping[str, str]) -> None:
        await case.session.events.add(
            kind,
            actor=f"staff:{staff.id}",
            now=self.clock(),
            conversation_id=case.conversation.id,
            ticket=case.ticket.number,
            data={"name": staff.name, **data},
        )
