"""The use case of a turn: the oldest unhandled messages of a conversation, understood, decided and answered.

Understanding and deciding happen outside any transaction; then one short transaction, fenced by the conversation's version, marks
the messages handled and writes everything that follows from them. A crash before its commit undoes all of it, and it is done again.
"""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, Protocol
from uuid import uuid4

import structlog

from bot.agreement.customers import Level
from bot.catalogue.catalogue import Catalogue
from bot.desk.cards import STAFF_ACTIONS
from bot.desk.customers import MAIL, send_code
from bot.desk.effects import Effects, files, subject
from bot.desk.gather import Around, Gathering, Seen, at_rest, look
from bot.desk.saying import UnsayableError, address_of, say
from bot.desk.speaker import rejoined
from bot.desk.turns import LONGEST_TURN, Burst, late, oldest
from bot.desk.unanswered import hand_over
from bot.desk.understand import Understanding
from bot.desk.watch import Watch
from bot.dialogue.asked import overdue
from bot.dialogue.decide import decide
from bot.dialogue.decisions import Answer, AskCode, Decision, Relay, TicketStatus
from bot.dialogue.rules import TICKET_STATUS
from bot.dialogue.situation import Situation
from bot.dialogue.speak import notice, speak
from bot.dialogue.turn import Edit, Outcome, Turn, UnreadError, unread
from bot.dialogue.voice import Reply
from bot.errors import ConflictError, ElsewhereError
from bot.knowledge import Knowledge
from bot.logs import redacted, told
from bot.model import Author, ChatRef, Conversation, Language, Mode, Priority, StaffAlert
from bot.observing import Observe, Step, observed, unobserved
from bot.ports import ChatAdapter, Clock, Engine
from bot.storage.inbox import Received
from bot.storage.store import Session, Store
from bot.storage.tickets import NewTicket

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 5
BACKOFF = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2))

_CODE = re.compile(r"(?<!\d)\d{3}[\s-]?\d{3}(?!\d)")


class _NoCodeError(Exception):
    """A code cannot be sent just now, so something else has to be decided."""


class StaffRoom(Protocol):
    """Where staff sit, and what becomes of what they say."""

    def holds(self, chat: ChatRef) -> bool:
        """Whether the chat is staff's, so that nothing in it comes from a customer."""
        ...

    async def __call__(self, conversation: Conversation, waiting: Sequence[Received]) -> timedelta | None:
        """Handle the oldest message of a chat of staff's. Returns when to look again."""
        ...

    async def joined(self, conversation: Conversation, received: Received) -> bool:
        """Take over where somebody of staff has written in a customer's chat; False: it was the customer."""
        ...


@dataclass(frozen=True)
class Worker:
    """Handles the lanes of the kind HANDLE, which are conversations. ``knowledge`` gives what is in force."""

    store: Store
    engine: Engine
    adapters: Mapping[str, ChatAdapter]
    understanding: Understanding
    knowledge: Callable[[], Knowledge]
    clock: Clock
    burst: timedelta
    default_language: Language
    gather: Gathering = field(default_factory=Gathering)
    watch: Watch = field(default_factory=Watch)
    observe: Observe = unobserved
    room: StaffRoom | None = None

    async def __call__(self, conversation_id: str) -> timedelta | None:
        """Handle one turn. Returns when to look again: at once after it, later while a burst lasts, None when all is handled.

        Raises ElsewhereError.
        """
        async with self.store.snapshot() as session:
            waiting, conversation, around = await look(session, conversation_id)
        if not waiting or conversation is None:
            return None
        adapter = self.adapters.get(conversation.chat.adapter)
        if adapter is None:
            raise ElsewhereError(conversation.chat.adapter)
        if self.room is not None and self.room.holds(conversation.chat):
            return await self.room(conversation, waiting)
        if delay := self._not_yet(waiting):
            return delay
        if self.room is not None and await self.room.joined(conversation, waiting[0]):
            return timedelta()
        if (waiting[0].message.action or "").startswith(STAFF_ACTIONS):
            return await self._refused(conversation, waiting[0])
        burst = oldest(waiting)
        first, *others = burst.rows
        with observed(self.observe, "handle", conversation.chat.adapter, correlation=first.correlation) as step:
            step.others, step.attempt = tuple(row.correlation for row in others), first.attempts + 1
            again = await self._turn(conversation, burst, around, step)
        # What was accepted after the look above has a wake-up of its own.
        return None if step.outcome == "handled" and len(burst.rows) == len(waiting) else again

    async def _turn(self, conversation: Conversation, burst: Burst, around: Around, step: Step) -> timedelta:
        log_ = log.bind(correlation=step.correlation, conversation=conversation.id)
        knowledge = self.knowledge()  # one pair for the whole turn, whatever is loaded meanwhile
        try:
            outcome = await self._handle(conversation, burst, around, knowledge)
        except ConflictError:
            step.outcome = "overtaken"
            log_.info("turn_overtaken")  # somebody else changed the conversation: read it again and decide anew
        except Exception as error:
            log_.warning("turn_failed", attempt=step.attempt, error=told(error))
            delay = await self._failed(conversation, burst.rows[0])
            step.outcome = "failed" if step.attempt < MAX_ATTEMPTS else "dead"
            return delay
        else:
            step.outcome = "handled"
            log_.info("turn_handled", messages=len(burst.rows), decisions=[d.kind for d in outcome.decisions])
        return timedelta()

    def _not_yet(self, waiting: Sequence[Received]) -> timedelta | None:
        """How long to wait: for a retry, or for the rest of a burst, but never for more than four times the burst's length."""
        now = self.clock()
        first, last = waiting[0], waiting[-1]
        if first.retry_at is not None:
            return max(first.retry_at - now, timedelta()) or None
        if first.message.action is not None or len(waiting) >= LONGEST_TURN:
            return None
        if last.received_at - now > self.burst:
            return None  # a clock is wrong, here or where it was accepted: waiting would take as long as the error is large
        due = min(last.received_at + self.burst, first.received_at + 4 * self.burst)
        return max(due - now, timedelta()) or None

    async def _handle(self, whole: Conversation, burst: Burst, around: Around, knowledge: Knowledge) -> Outcome:
        secret = False
        async with self.store.snapshot() as session:
            seen = await self.gather.seen(session, whole, burst.first, around)
            conversation, digits = seen.conversation, _digits(seen.conversation, burst)
            proof = digits is not None or burst.first.invitation is not None
            if not proof:
                situation, before = await self._looked(session, seen, burst, around, knowledge)
        if proof:
            code, burst, secret = await self._proved(burst, digits)
            async with self.store.snapshot() as session:
                known = await self.gather.seen(session, whole, burst.first, around)
                # Whoever they have proven to be, the question that was open is theirs.
                seen = replace(known, conversation=conversation)
                situation, before = await self._looked(session, seen, burst, around, knowledge, code)
        turn = await self._understood(conversation, burst, before, knowledge)
        turn, outcome = await self._decided(conversation, burst, turn, knowledge, situation)
        try:
            await self._commit(
                whole, conversation, burst, before, outcome, situation, knowledge.catalogue, reword=secret
            )
        except _NoCodeError:
            situation = replace(situation, can_mail=False)
            _, outcome = await self._decided(conversation, burst, turn, knowledge, situation)
            await self._commit(
                whole, conversation, burst, before, outcome, situation, knowledge.catalogue, reword=secret
            )
        return outcome

    async def _looked(
        self,
        session: Session,
        seen: Seen,
        burst: Burst,
        around: Around,
        knowledge: Knowledge,
        code: Literal["right", "wrong"] | None = None,
    ) -> tuple[Situation, Received | None]:
        """How things stand, and the message that this turn changes, if it changes one."""
        agreement, now = knowledge.catalogue.agreement, self.clock()
        situation = await self.gather(session, seen, burst.first, burst.text, around, agreement, code, now=now)
        changed = burst.edit_of or burst.deletion_of
        before = await session.inbox.find(burst.first.chat, changed) if changed else None
        return replace(situation, can_mail=MAIL in self.adapters), before

    async def _refused(self, conversation: Conversation, received: Received) -> timedelta:
        """Somebody has made up the press of a button that only staff are shown: nothing happens, and it can be found out."""
        message = received.message
        actor = f"{message.chat.adapter}:{message.sender.id}"
        async with self.store.transaction() as session:
            await session.events.add(
                "staff_refused",
                actor=actor,
                now=self.clock(),
                conversation_id=conversation.id,
                correlation=received.correlation,
                data={"action": message.action},
            )
            await session.inbox.mark_handled((received.id,), self.clock())
        log.warning("not_of_staff", person=actor, action=message.action, conversation=conversation.id)
        return timedelta()

    async def _proved(
        self, burst: Burst, digits: re.Match[str] | None
    ) -> tuple[Literal["right", "wrong"], Burst, bool]:
        """Use up the link or the code that this turn brings, before anything is decided.

        Whoever has proved something stays known, so that doing this again after a crash finds them known already. The turn comes
        back without the digits of a code that is used or too old, and whether there were any: nothing needs to keep them.
        """
        message, now = burst.first, self.clock()
        adapter, sender = message.chat.adapter, message.sender
        async with self.store.transaction() as session:
            if message.invitation is not None:
                organisation = await session.customers.redeem(message.invitation, now)
                how = "invitation"
            else:
                assert digits is not None
                organisation = await session.customers.check_code(adapter, sender.id, digits[0], now)
                how = "code"
            if organisation is None:
                spent = digits is not None and await session.customers.was_code(adapter, sender.id, digits[0])
                return "wrong", burst.without(digits[0]) if digits and spent else burst, spent
            await session.customers.bind(
                adapter, sender.id, organisation.id, Level.PROVEN, now, person=sender.name, how=how
            )
            return "right", burst.without(digits[0]) if digits else burst, digits is not None

    async def _understood(
        self, conversation: Conversation, burst: Burst, before: Received | None, knowledge: Knowledge
    ) -> Turn:
        texts = [burst.text]
        if burst.edit_of and before is not None:
            texts.append(before.message.text)
        predictions = await self.understanding.of(texts, knowledge.classifier)
        edit: Edit | None = None
        if burst.edit_of and before is not None:
            edit = Edit(before.message.text, predictions[-1])
        return Turn(
            text=before.message.text if burst.deletion_of and before is not None else burst.text,
            now=self.clock(),
            prediction=predictions[0],
            together=None if conversation.pending is None else unread("together"),
            earlier=None if conversation.pending is None else unread("earlier"),
            action=burst.first.action,
            attachments=tuple(attachment for r in burst.rows for attachment in r.message.attachments),
            edit=edit,
            deleted=burst.deletion_of is not None,
            invited=burst.first.invitation is not None,
        )

    async def _decided(
        self, conversation: Conversation, burst: Burst, turn: Turn, knowledge: Knowledge, situation: Situation
    ) -> tuple[Turn, Outcome]:
        """With the turn as far as it had to be understood for that."""
        while True:
            try:
                return turn, decide(conversation, turn, knowledge.catalogue, self.default_language, situation)
            except UnreadError as asked:
                assert conversation.pending is not None
                text = conversation.pending.text
                if asked.what == "together":
                    (read,) = await self.understanding.of([f"{text}\n{burst.text}"], knowledge.classifier)
                    turn = replace(turn, together=read)
                else:
                    (read,) = await self.understanding.of([text], knowledge.classifier)
                    turn = replace(turn, earlier=read)

    async def _commit(
        self,
        whole: Conversation,
        conversation: Conversation,
        burst: Burst,
        before: Received | None,
        outcome: Outcome,
        situation: Situation,
        catalogue: Catalogue,
        *,
        reword: bool,
    ) -> None:
        now, first = self.clock(), burst.rows[0]
        async with self.store.transaction() as session:
            effects = Effects(session, catalogue, situation, burst.rows, now, self.watch)
            done = await effects.carry_out(outcome)
            after = done.conversation
            if conversation is not whole:
                await session.conversations.save(await self._rejoined(effects, whole, after), now)
            else:
                await session.conversations.save(after, now)
            if done.tickets and after.ticket is not None:
                await session.attachments.file(conversation.id, after.ticket, first.message.sender.id)
            await session.inbox.mark_handled(tuple(r.id for r in burst.rows), now)
            for row in burst.rows if reword else ():
                await session.inbox.reword(row)
            for deletion in (r.message for r in burst.rows if r.message.deletion_of):
                await session.inbox.mark_deleted(deletion.chat, deletion.deletion_of or "", now)
            await session.events.add(
                "turn",
                actor=f"{first.message.chat.adapter}:{first.message.sender.id}",
                now=now,
                conversation_id=conversation.id,
                ticket=after.ticket,
                correlation=first.correlation,
                data={
                    "messages": [r.id for r in burst.rows],
                    **({"late": delays} if (delays := late(burst.rows)) else {}),
                    **({"edit_of": before.id} if burst.edit_of and before else {}),
                    **({"deletion_of": before.id} if burst.deletion_of and before else {}),
                    "catalogue": catalogue.version,
                    "decisions": [_record(decision) for decision in outcome.decisions],
                },
            )
            for decision in outcome.decisions:
                if isinstance(decision, AskCode) and decision.attempt == 1:
                    await self._send_code(session, after, decision, first, outcome.language, catalogue)
            reply = speak(outcome, catalogue, situation, done.tickets)
            if reply is not None and after.mode is not Mode.HUMAN:  # while a person has the word the bot has none
                await self._say(session, conversation, first, reply, f"{conversation.id}:{first.seq}")

    async def _rejoined(self, effects: Effects, whole: Conversation, after: Conversation) -> Conversation:
        """Another customer of the channel has had a turn; what the one before was asked is not forgotten over it."""
        asked = whole.pending
        if after.pending is None or asked is None or not overdue(asked):
            together = after if after.pending is not None else rejoined(whole, after)
            await effects.watch_question(together)
            return together
        # One question at a time: the request of the one before goes to a person with what there is.
        session, catalogue, now = effects.session, effects.catalogue, effects.now
        there = await at_rest(session, whole, catalogue)
        ticket = await hand_over(session, self.watch, catalogue, whole, there, now, "bot")
        language = whole.language or self.default_language
        told = notice(catalogue, language, "ticket.no_answer", ticket.key, address=await address_of(session, whole))
        await say(
            session,
            self.engine,
            self.adapters,
            whole,
            told,
            author=Author.NOTICE,
            key=f"{whole.id}:unanswered:{ticket.number}",
            correlation=effects.turn[0].correlation,
            now=now,
        )
        return after

    async def _send_code(
        self,
        session: Session,
        conversation: Conversation,
        decision: AskCode,
        cause: Received,
        language: Language,
        catalogue: Catalogue,
    ) -> None:
        sent = await send_code(
            session,
            self.engine,
            self.adapters,
            catalogue,
            conversation,
            decision.organisation,
            cause.message.sender,
            language=language,
            correlation=cause.correlation,
            now=self.clock(),
        )
        if not sent:
            raise _NoCodeError

    async def _say(self, session: Session, conversation: Conversation, cause: Received, reply: Reply, key: str) -> None:
        await say(
            session,
            self.engine,
            self.adapters,
            conversation,
            reply,
            author=Author.BOT,
            key=key,
            correlation=cause.correlation,
            now=self.clock(),
        )

    async def _failed(self, conversation: Conversation, first: Received) -> timedelta:
        """Note the failure; at the last attempt the message becomes a dead letter *and* a ticket, so that a person sees it."""
        error, now = redacted(traceback.format_exc(limit=-3)), self.clock()
        async with self.store.transaction() as session:
            if first.attempts + 1 < MAX_ATTEMPTS:
                delay = BACKOFF[min(first.attempts, len(BACKOFF) - 1)]
                await session.inbox.mark_failed(first, error, now + delay)
                return delay
            await session.inbox.mark_failed(first, error, now)
            await session.inbox.mark_dead(first, now)
            conversation = await session.conversations.get(conversation.id, lock=True)
            # A dead letter that was put back may die again; that it is marked dead in this transaction makes this happen once.
            key = f"{conversation.id}:{first.seq}:{uuid4()}"
            ticket = await session.tickets.open(
                NewTicket(
                    key=key,
                    conversation_id=conversation.id,
                    reason="failed",
                    category=None,
                    topic=None,
                    priority=Priority.HIGH,
                    subject=subject(first.message.text),
                    facts={"text": first.message.text} | files([a.name for a in first.message.attachments]),
                    organisation=conversation.organisation,
                    person=first.message.sender.id,
                ),
                now,
            )
            await session.events.add(
                "dead_letter",
                actor="bot",
                now=now,
                conversation_id=conversation.id,
                ticket=ticket.number,
                correlation=first.correlation,
                data={"inbox": first.id, "error": error},
            )
            situation = await at_rest(session, conversation, self.knowledge().catalogue)
            await self.watch.begin(
                session, ticket, now, situation.hours(now), self.knowledge().catalogue.agreement.attention
            )
            await self.watch.alert(session, StaffAlert("failed", ticket.number), conversation.id, now)
            if conversation.mode is not Mode.HUMAN:
                waiting = replace(conversation, mode=Mode.WAITING, ticket=ticket.number, pending=None)
                await session.conversations.save(waiting, now)
                language = conversation.language or self.default_language
                address = await address_of(session, conversation)
                reply = notice(self.knowledge().catalogue, language, "ticket.failed", ticket.key, address=address)
                with contextlib.suppress(
                    UnsayableError
                ):  # the fault may be in saying; the ticket is there all the same
                    await self._say(session, conversation, first, reply, key)
        log.error("dead_letter", correlation=first.correlation, conversation=conversation.id, ticket=ticket.key)
        return timedelta()


def _digits(conversation: Conversation, burst: Burst) -> re.Match[str] | None:
    """What may be the code that was asked for."""
    pending = conversation.pending
    return _CODE.search(burst.text) if pending is not None and pending.kind == "code" else None


def _record(decision: Decision) -> dict[str, object]:
    about = decision.about
    faq = about.topic if isinstance(decision, Answer) else None
    return {
        "kind": decision.kind,
        "faq": TICKET_STATUS if isinstance(decision, TicketStatus) else faq,
        "category": about.category,
        "topic": about.topic,
        "confidence": round(about.confidence, 4),
        "runner_up": about.runner_up,
        **({"edited": True} if isinstance(decision, Relay) and decision.edited else {}),
    }
