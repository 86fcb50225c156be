"""What happens because time has passed: a question that nobody answered goes to a person, a promise that was missed is owned up to.

Each conversation's timers are a lane of their own kind; what is due is done under the conversation's lock, once. It must not know
how time is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.desk.effects import PENDING
from bot.desk.gather import at_rest
from bot.desk.ladder import ESCALATE, RAISED, REMIND
from bot.desk.saying import address_of, say
from bot.desk.unanswered import hand_over
from bot.desk.watch import CLOSE, PROMISE, SILENCE, SILENT, Watch, concerned
from bot.dialogue.asked import overdue
from bot.dialogue.speak import notice
from bot.dialogue.voice import Reply, Voice
from bot.errors import ConflictError, ElsewhereError
from bot.knowledge import Knowledge
from bot.model import Author, Conversation, Language, Mode, Priority, StaffAlert, Ticket, TicketState
from bot.ports import ChatAdapter, Clock, Engine
from bot.storage.store import Session, Store
from bot.storage.timers import Timer

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Clockwork:
    """Handles the lanes of the kind CLOCK, which are conversations with timers that have run out."""

    store: Store
    engine: Engine
    adapters: Mapping[str, ChatAdapter]
    knowledge: Callable[[], Knowledge]
    clock: Clock
    default_language: Language
    watch: Watch = field(default_factory=Watch)

    async def __call__(self, conversation_id: str) -> timedelta | None:
        """Do what is due.

        What is due later is left to the sweeper: a lane that sleeps until then would oversleep what is set meanwhile.
        Raises ElsewhereError.
        """
        now = self.clock()
        try:
            async with self.store.transaction() as session:
                conversation = await session.conversations.get(conversation_id, lock=True)
                if conversation.chat.adapter not in self.adapters:
                    raise ElsewhereError(conversation.chat.adapter)
                for timer in await session.timers.due(conversation_id, now):
                    await session.timers.cancel(timer.key)
                    conversation = await self._ring(session, conversation, timer, now)
        except ConflictError:
            return timedelta()  # somebody changed the conversation on SQLite or without its lock: look again
        return None

    async def _ring(self, session: Session, conversation: Conversation, timer: Timer, now: datetime) -> Conversation:
        match timer.kind:
            case kind if kind == PENDING:
                return await self._unanswered(session, conversation, now)
            case kind if kind in (PROMISE, SILENCE) and timer.ticket is not None:
                await self._unheard(session, conversation, timer.ticket, now)
            case kind if kind in (REMIND, ESCALATE) and timer.ticket is not None:
                await self._nobody_takes(session, conversation, timer, timer.ticket, now)
            case kind if kind == CLOSE and timer.ticket is not None:
                return await self._uncontradicted(session, conversation, timer.ticket, now)
            case kind if kind == SILENT and timer.ticket is not None:
                ticket = await session.tickets.get(timer.ticket)
                if ticket is not None and ticket.state is TicketState.WAITING_FOR_CUSTOMER:
                    alert = StaffAlert("customer_silent", ticket.number, to=concerned(ticket))
                    await self.watch.alert(session, alert, conversation.id, now)
        return conversation

    async def _unanswered(self, session: Session, conversation: Conversation, now: datetime) -> Conversation:
        """Nobody has answered, so the request goes to a person with what there is."""
        pending = conversation.pending
        if pending is None or not overdue(pending) or conversation.mode is not Mode.BOT:
            return conversation
        catalogue = self.knowledge().catalogue
        situation = await at_rest(session, conversation, catalogue)
        ticket = await hand_over(session, self.watch, catalogue, conversation, situation, now, "clock")
        after = replace(conversation, mode=Mode.WAITING, ticket=ticket.number, pending=None)
        reads_from = situation.reads_from(now)
        if reads_from is not None:
            after = replace(after, closed_until=reads_from)
        await session.conversations.save(after, now)
        address = await address_of(session, conversation)
        voice = Voice(catalogue, self._language(conversation), ticket.key, address)
        said = [voice.text("ticket.no_answer")]
        if reads_from is not None and reads_from != conversation.closed_until:
            said.append(voice.text("time.reads_from", time=voice.moment(reads_from)))
        await self._say(
            session, conversation, Reply(" ".join(said)), f"{conversation.id}:unanswered:{ticket.number}", now
        )
        log.info("question_unanswered", conversation=conversation.id, ticket=ticket.key)
        return replace(after, version=after.version + 1)

    async def _unheard(self, session: Session, conversation: Conversation, number: int, now: datetime) -> None:
        """Nobody has answered, in spite of a promise or for too long: the customer is told so, and staff louder than before."""
        ticket = await session.tickets.get(number)
        if ticket is None or not ticket.open or ticket.state is TicketState.WAITING_FOR_CUSTOMER:
            return
        if await session.events.responded(number, ticket.reopened_at):
            return
        promised = ticket.due_at
        kind = "promise_missed" if promised is not None else "silence"
        await session.tickets.save(replace(ticket, priority=Priority.HIGH))
        await self._event(session, conversation, kind, ticket, now, {"due": promised.isoformat() if promised else None})
        log.warning(kind, ticket=ticket.key)
        await self.watch.alert(session, StaffAlert(kind, number), conversation.id, now)
        if conversation.mode is Mode.HUMAN:
            return  # a person has the word: the bot does not talk over them, not even to apologise
        catalogue, language = self.knowledge().catalogue, self._language(conversation)
        address = await address_of(session, conversation)
        if promised is None:
            reply = notice(catalogue, language, "time.silence", ticket.key, address=address)
        else:
            hours = (await at_rest(session, conversation, catalogue)).hours(now)
            due = Voice(catalogue, language).moment(hours.local(promised) if hours else promised)
            reply = notice(catalogue, language, "time.missed", ticket.key, address=address, time=due)
        await self._say(session, conversation, reply, f"{conversation.id}:missed:{number}:{now.isoformat()}", now)

    async def _nobody_takes(
        self, session: Session, conversation: Conversation, timer: Timer, number: int, now: datetime
    ) -> None:
        """Staff are told again of a ticket that nobody has taken: who is asked for it, then everybody, then another chat."""
        ticket = await session.tickets.get(number)
        if ticket is None or ticket.state is not TicketState.OPEN:
            return
        step = int(timer.key.rpartition(":")[2])
        if step >= RAISED and ticket.priority is not Priority.HIGH:
            await session.tickets.save(replace(ticket, priority=Priority.HIGH))
            await self._event(session, conversation, "priority_raised", ticket, now, {"before": ticket.priority.value})
        to = concerned(ticket) if timer.kind == REMIND else ()
        await self.watch.alert(session, StaffAlert("not_taken", number, step, to), conversation.id, now)

    async def _uncontradicted(
        self, session: Session, conversation: Conversation, number: int, now: datetime
    ) -> Conversation:
        """The customer was asked whether it is solved and has not said otherwise."""
        ticket = await session.tickets.get(number)
        if ticket is None or ticket.state is not TicketState.RESOLVED:
            return conversation
        await session.tickets.save(replace(ticket, state=TicketState.CLOSED))
        await self._event(session, conversation, "ticket_closed", ticket, now, {"how": "silence"})
        pending = conversation.pending
        if pending is None or pending.data.get("ticket") != str(number):
            return conversation
        after = replace(conversation, pending=None)
        await session.conversations.save(after, now)
        return replace(after, version=after.version + 1)

    def _language(self, conversation: Conversation) -> Language:
        return conversation.language or self.default_language

    async def _say(self, session: Session, conversation: Conversation, reply: Reply, key: str, now: datetime) -> None:
        await say(
            session,
            self.engine,
            self.adapters,
            conversation,
            reply,
            author=Author.NOTICE,
            key=key,
            correlation=conversation.id,
            now=now,
        )

    async def _event(
        self,
        session: Session,
        conversation: Conversation,
        kind: str,
        ticket: Ticket,
        now: datetime,
        data: Mapping[str, object],
    ) -> None:
        await session.events.add(
            kind, actor="clock", now=now, conversation_id=conversation.id, ticket=ticket.number, data=data
        )
