"""The common ground of what staff do: a ticket and its conversation, locked together, and the ways to save, say and record.

It decides nothing, and must not know from which surface a person acts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

from bot.catalogue.catalogue import Catalogue
from bot.desk.gather import at_rest
from bot.desk.habits import Habits
from bot.desk.saying import address_of, say
from bot.desk.watch import Watch
from bot.dialogue.speak import notice
from bot.dialogue.voice import Reply
from bot.errors import FirstlineError
from bot.model import Author, Conversation, Language, Mode, Person, StaffAlert, Ticket, ticket_key
from bot.ports import ChatAdapter, Clock, Engine
from bot.storage.store import Session, Store


class TicketError(FirstlineError):
    """This cannot be done with this ticket.

    ``key`` is that of the sentence below ``refusal`` in the texts, which ``values`` fill in, for whoever reads it in a chat.
    """

    def __init__(self, message: str, key: str | None = None, **values: str) -> None:
        super().__init__(message)
        self.key, self.values = key, values


@dataclass(slots=True)
class Case:
    """A ticket with its conversation, both locked by the transaction in which they were read; they change as they are saved."""

    session: Session
    ticket: Ticket
    conversation: Conversation


@dataclass(frozen=True)
class Office:
    store: Store
    engine: Engine
    adapters: Mapping[str, ChatAdapter]
    catalogue: Callable[[], Catalogue]
    clock: Clock
    default_language: Language
    habits: Habits = field(default_factory=Habits)
    watch: Watch = field(default_factory=Watch)

    @asynccontextmanager
    async def _case(self, number: int) -> AsyncIterator[Case]:
        async with self.store.transaction() as session:
            yield await self._locked(session, number)

    async def _locked(self, session: Session, number: int) -> Case:
        """Raises TicketError when there is no such ticket."""
        ticket = await session.tickets.get(number)
        if ticket is None:
            raise TicketError(f"There is no ticket {ticket_key(number)}.")
        conversation = await session.conversations.get(ticket.conversation_id, lock=True)
        # Read again under the lock: of two who take it at the same time, the second must see the first.
        again = await session.tickets.get(number)
        assert again is not None
        if again.conversation_id != conversation.id:
            raise TicketError(f"{again.key} has just been reopened in another chat; look at it again.")
        return Case(session, again, conversation)

    async def _save(self, case: Case, ticket: Ticket) -> None:
        await case.session.tickets.save(ticket)
        case.ticket = replace(ticket, version=ticket.version + 1)

    async def _save_conversation(self, case: Case, conversation: Conversation) -> None:
        await case.session.conversations.save(conversation, self.clock())
        case.conversation = replace(conversation, version=conversation.version + 1)

    async def _let_go(self, case: Case) -> None:
        """Nobody talks about this ticket any more: the word goes to whoever owns another one of the conversation, else to the bot.

        What was pending before a person took over is stale: going on with it is how bots loop after a hand-back.
        """
        others = await case.session.tickets.owned_in(case.conversation.id)
        if others:
            newest = others[-1]
            after = replace(case.conversation, mode=Mode.HUMAN, owner=newest.assignee_id, ticket=newest.number)
        else:
            after = replace(case.conversation, mode=Mode.BOT, owner=None)
        await self._save_conversation(case, replace(after, pending=None, topic=None, misses=0))

    async def _begin(self, case: Case) -> None:
        """Nobody has the ticket any more: staff are reminded of it as of a new one."""
        now, catalogue = self.clock(), self.catalogue()
        hours = (await at_rest(case.session, case.conversation, catalogue)).hours(now)
        await self.watch.begin(case.session, case.ticket, now, hours, catalogue.agreement.attention)

    async def _notice(self, case: Case, key: str, **values: str) -> None:
        await self._say(case, await self._worded(case, key, **values), Author.NOTICE)

    async def _worded(self, case: Case, key: str, **values: str) -> Reply:
        address = await address_of(case.session, case.conversation)
        return notice(self.catalogue(), self._language(case), key, case.ticket.key, address=address, **values)

    def _language(self, case: Case) -> Language:
        return case.conversation.language or self.default_language

    async def _say(
        self,
        case: Case,
        reply: Reply,
        author: Author,
        *,
        correlation: str | None = None,
        undo: timedelta = timedelta(),
        edit_of: str | None = None,
    ) -> None:
        """The one way from staff to the customer. ``undo``: how long it waits before it is sent.

        ``edit_of``: the platform's id of the message that it replaces.
        """
        now = self.clock()
        await say(
            case.session,
            self.engine,
            self.adapters,
            case.conversation,
            reply,
            author=author,
            key=f"{case.conversation.id}:{uuid4()}",
            correlation=correlation or str(uuid4()),
            now=now,
            due_at=now + undo,
            edit_of=edit_of,
        )

    async def _alert(self, case: Case, key: str, *to: str, text: str = "") -> None:
        alert = StaffAlert(key, case.ticket.number, to=to, text=text)
        await self.watch.alert(case.session, alert, case.conversation.id, self.clock())

    async def _event(
        self, case: Case, kind: str, staff: Person, data: Mapping[str, object], *, correlation: str | None = None
    ) -> None:
        await case.session.events.add(
            kind,
            actor=f"staff:{staff.id}",
            now=self.clock(),
            conversation_id=case.conversation.id,
            ticket=case.ticket.number,
            correlation=correlation,
            data={"name": staff.name, **data},
        )
