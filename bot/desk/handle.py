"""The use case of a turn: the oldest unhandled messages of a conversation, understood, decided and answered.

Understanding and deciding happen outside any transaction; then one short transaction, fenced by the conversation's version, marks
the messages handled and writes everything that follows from them. A crash before its commit undoes all of it, and it is done again.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

import structlog

from bot.catalogue.catalogue import Catalogue
from bot.desk.saying import UnsayableError, say
from bot.desk.understand import Understanding
from bot.dialogue.decide import decide
from bot.dialogue.decisions import Answer, Decision, OpenTicket, Relay, needs_ticket
from bot.dialogue.speak import Reply, notice, speak
from bot.dialogue.turn import Outcome, Turn
from bot.errors import ConflictError
from bot.knowledge import Knowledge
from bot.model import (
    Author,
    Conversation,
    Language,
    Mode,
    Priority,
    Ticket,
    ticket_key,
)
from bot.ports import ChatAdapter, Clock, Engine
from bot.storage.inbox import Received
from bot.storage.store import Session, Store
from bot.storage.tickets import NewTicket

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 5
LONGEST_TURN = 20
BACKOFF = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2))
SUBJECT_LENGTH = 120
ELSEWHERE = timedelta(minutes=5)


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

    async def __call__(self, conversation_id: str) -> timedelta | None:
        """Handle one turn. Returns when to look again: at once after it, later while a burst lasts, None when all is handled."""
        async with self.store.snapshot() as session:
            waiting = await session.inbox.open(conversation_id)
            if not waiting:
                return None
            conversation = await session.conversations.get(conversation_id)
        if conversation.chat.adapter not in self.adapters:
            return ELSEWHERE  # this process does not run that adapter; another does, or this one after its next start
        if delay := self._not_yet(waiting):
            return delay
        turn = _oldest_turn(waiting)
        log_ = log.bind(correlation=turn[0].correlation, conversation=conversation_id)
        knowledge = self.knowledge()  # one pair for the whole turn, whatever is loaded meanwhile
        try:
            outcome = await self._decided(conversation, turn, knowledge)
            await self._commit(conversation, turn, outcome, knowledge.catalogue)
        except ConflictError:
            log_.info("turn_overtaken")  # somebody else changed the conversation: read it again and decide anew
        except Exception as error:
            log_.warning("turn_failed", attempt=turn[0].attempts + 1, error=repr(error))
            return await self._failed(conversation, turn[0])
        else:
            log_.info("turn_handled", messages=len(turn), decisions=[d.kind for d in outcome.decisions])
        return timedelta()

    def _not_yet(self, waiting: Sequence[Received]) -> timedelta | None:
        """How long to wait: for a retry, or for the rest of a burst, but never for more than four times the burst's length."""
        now = self.clock()
        first, last = waiting[0], waiting[-1]
        if first.retry_at is not None:
            return max(first.retry_at - now, timedelta()) or None
        if first.message.action is not None or len(waiting) >= LONGEST_TURN:
            return None
        due = min(last.received_at + self.burst, first.received_at + 4 * self.burst)
        return max(due - now, timedelta()) or None

    async def _decided(self, conversation: Conversation, turn: Sequence[Received], knowledge: Knowledge) -> Outcome:
        text = "\n".join(r.message.text for r in turn if r.message.text.strip())
        texts = [text]
        if conversation.pending is not None:
            texts.append(f"{conversation.pending.data.get('text', '')}\n{text}")
        predictions = await self.understanding.of(texts, knowledge.classifier)
        return decide(
            conversation,
            Turn(
                text=text,
                now=self.clock(),
                prediction=predictions[0],
                together=predictions[1] if len(predictions) > 1 else None,
                action=turn[0].message.action,
                attachments=tuple(attachment for r in turn for attachment in r.message.attachments),
            ),
            knowledge.catalogue,
            self.default_language,
        )

    async def _commit(
        self, conversation: Conversation, turn: Sequence[Received], outcome: Outcome, catalogue: Catalogue
    ) -> None:
        now = self.clock()
        async with self.store.transaction() as session:
            after = outcome.conversation
            tickets: dict[int, str] = {}
            for index, decision in enumerate(outcome.decisions):
                if needs_ticket(decision):
                    ticket = await self._open(session, after, turn, index, decision)
                    after = replace(after, ticket=ticket.number)
                    tickets[index] = ticket.key
                elif isinstance(decision, Relay) and after.ticket is not None:
                    tickets[index] = ticket_key(after.ticket)
            await session.conversations.save(after, now)
            await session.inbox.mark_handled(tuple(r.id for r in turn), now)
            await session.events.add(
                "turn",
                actor=f"{turn[0].message.chat.adapter}:{turn[0].message.sender.id}",
                now=now,
                conversation_id=conversation.id,
                ticket=after.ticket,
                correlation=turn[0].correlation,
                data={
                    "messages": [r.id for r in turn],
                    "catalogue": catalogue.version,
                    "decisions": [_record(decision) for decision in outcome.decisions],
                },
            )
            reply = speak(outcome.decisions, catalogue, outcome.language, tickets)
            if reply is not None:
                await self._say(session, conversation, turn[0], reply, f"{conversation.id}:{turn[0].seq}")

    async def _open(
        self, session: Session, conversation: Conversation, turn: Sequence[Received], index: int, decision: Decision
    ) -> Ticket:
        about, now = decision.about, self.clock()
        ticket = await session.tickets.open(
            NewTicket(
                key=f"{conversation.id}:{turn[0].seq}:{index}",
                conversation_id=conversation.id,
                reason=decision.reason if isinstance(decision, OpenTicket) else "judge",
                category=about.category,
                topic=about.topic,
                priority=decision.priority if isinstance(decision, OpenTicket) else Priority.NORMAL,
                subject=_subject(about.text),
                facts={"text": about.text} | _files(turn),
            ),
            now,
        )
        await session.events.add(
            "ticket_opened",
            actor="bot",
            now=now,
            conversation_id=conversation.id,
            ticket=ticket.number,
            correlation=turn[0].correlation,
            data={"reason": ticket.reason, "category": about.category, "topic": about.topic},
        )
        return ticket

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
        error, now = traceback.format_exc(limit=-3), self.clock()
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
                    subject=_subject(first.message.text),
                    facts={"text": first.message.text} | _files([first]),
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
            if conversation.mode is not Mode.HUMAN:
                waiting = replace(conversation, mode=Mode.WAITING, ticket=ticket.number, pending=None)
                await session.conversations.save(waiting, now)
                language = conversation.language or self.default_language
                reply = notice(self.knowledge().catalogue, language, "ticket.failed", ticket.key)
                with contextlib.suppress(
                    UnsayableError
                ):  # the fault may be in saying; the ticket is there all the same
                    await self._say(session, conversation, first, reply, key)
        log.error("dead_letter", correlation=first.correlation, conversation=conversation.id, ticket=ticket.key)
        return timedelta()


def _oldest_turn(waiting: Sequence[Received]) -> tuple[Received, ...]:
    """The oldest messages that belong together: of one person, words and files only. A button press stands alone."""
    first = waiting[0]
    turn = [first]
    if first.message.action is None and first.attempts == 0:
        for received in waiting[1:LONGEST_TURN]:
            if received.message.action is not None or received.message.sender.id != first.message.sender.id:
                break
            turn.append(received)
    return tuple(turn)


def _subject(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1].rsplit(" ", 1)[0] + "…"


def _files(turn: Sequence[Received]) -> dict[str, str]:
    names = [attachment.name for received in turn for attachment in received.message.attachments]
    return {"attachments": ", ".join(names)} if names else {}


def _record(decision: Decision) -> dict[str, object]:
    about = decision.about
    return {
        "kind": decision.kind,
        "faq": about.topic if isinstance(decision, Answer) else None,
        "category": about.category,
        "topic": about.topic,
        "confidence": round(about.confidence, 4),
        "runner_up": about.runner_up,
    }
