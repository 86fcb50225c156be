"""Takes the outbox to the platforms: one lane at a time, in order, looking again at who has the word just before each send.

The network is never touched inside a transaction. It must not know what the messages mean.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.errors import ConflictError, DeliveryError, ElsewhereError, FileGoneError, FilesError
from bot.logs import redacted, told
from bot.model import Author, ChatRef, Mode
from bot.observing import Observe, Step, observed, tell, unobserved
from bot.ports import CanFind, ChatAdapter, Clock
from bot.storage.moves import move
from bot.storage.outbox import Letter
from bot.storage.store import Session, Store
from bot.storage.threads import Thread

log = structlog.get_logger(__name__)

BASE = timedelta(seconds=1)
CAP = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=24)
MAX_UNCERTAIN = 2
"""A send that may have arrived is tried once more: a duplicate is better than a loss, a third copy is only a nuisance.

A platform that can be asked is asked instead, and sent to again as long as it says that it has nothing.
"""
ASK_AFTER = timedelta(seconds=2)
"""What was sent may still be on its way for so long, and the platform not know of it yet."""


@dataclass(frozen=True)
class Delivery:
    """Handles the lanes of the kind DELIVER. ``jitter`` gives a factor between 0 and 1.

    ``for_staff`` says whether staff sit in a chat.
    """

    store: Store
    adapters: Mapping[str, ChatAdapter]
    clock: Clock
    jitter: random.Random
    observe: Observe = unobserved
    for_staff: Callable[[ChatRef], bool] = lambda chat: False  # noqa: ARG005 - a default that fits the type

    async def __call__(self, lane: str) -> timedelta | None:
        """Send the oldest message of the lane. Returns when to look again, None when nothing is left. Raises ElsewhereError."""
        try:
            claimed = await self._claim(lane)
        except ConflictError:
            return timedelta()
        if claimed is None or isinstance(claimed, timedelta):
            return claimed
        letter, adapter, insist = claimed
        with observed(self.observe, "deliver", adapter.name, correlation=letter.correlation) as step:
            step.attempt = letter.attempts
            return await self._sent(letter, adapter, step, insist=insist)

    async def _sent(self, letter: Letter, adapter: ChatAdapter, step: Step, *, insist: bool) -> timedelta | None:
        log_ = log.bind(correlation=letter.correlation, lane=letter.lane, letter=letter.id, attempt=letter.attempts)
        askable = isinstance(adapter, CanFind)
        try:
            platform_id = None
            if letter.uncertain and isinstance(adapter, CanFind):
                platform_id, askable = await _found(adapter, letter)
            if platform_id is None:
                if _spent(letter, letter.uncertain) and not askable and not insist:
                    raise DeliveryError("The platform does not say whether it has it.")
                platform_id = await adapter.send(letter.part)
        except DeliveryError as error:
            return await self._not_sent(letter, error, step, askable=askable)
        except FilesError as error:
            # Files are read before anything is sent.
            gone = DeliveryError(str(error), permanent=isinstance(error, FileGoneError))
            return await self._not_sent(letter, gone, step, askable=askable)
        except Exception as error:
            # An adapter that lets something else out cannot say whether it was sent: so it is uncertain.
            log_.error("send_broke", error=told(error))
            return await self._not_sent(letter, DeliveryError(repr(error), uncertain=True), step, askable=askable)
        async with self.store.transaction() as session:
            now = self.clock()
            pace = timedelta(seconds=adapter.limits.pace_after(letter.part))
            if pace:
                await session.outbox.hold(letter.lane, now + pace)
            heeded = letter.author in (Author.STAFF, Author.PERSON)
            settled, more = await session.outbox.sent(letter, platform_id, now, last=not heeded)
            if settled and heeded:
                await self._arrived(session, letter, platform_id)
        step.outcome = "sent"
        log_.info("sent" if settled else "sent_twice")
        return pace if more else None  # what is written from now on has a wake-up of its own

    async def _claim(self, lane: str) -> tuple[Letter, ChatAdapter, bool] | timedelta | None:
        """Under the conversation's lock: drop what the bot may no longer say, or mark the oldest as being sent.

        The third says whether it has to be sent in the end, whatever happens.
        """
        async with self.store.transaction() as session:
            now = self.clock()
            found = await session.outbox.next(lane, now)
            if found is None:
                return None
            letter, conversation, free = found.letter, found.conversation, found.not_before
            if letter.author is Author.BOT and conversation.mode is Mode.HUMAN:
                return await self._close(session, letter, "dropped", "a person has taken over")
            if (letter.author is Author.STAFF) is not self.for_staff(letter.part.chat):
                return await self._astray(session, letter)
            expired = letter.expires_at is not None and letter.expires_at <= now
            if expired and letter.state == "pending":
                return await self._close(session, letter, "dropped", "too late to be of use")
            adapter = self.adapters.get(letter.part.chat.adapter)
            if adapter is None:
                raise ElsewhereError(letter.part.chat.adapter)
            uncertain, thread = letter.uncertain, await self._thread(session, letter)
            opens = thread is not None and letter.key == thread.opener_key
            if free is not None and free > now:
                return free - now
            if letter.state == "sending":
                # Whoever marked it is gone, or it would hold the lane: it may have been sent or not.
                uncertain += 1
                if not opens and ((_spent(letter, uncertain) and not isinstance(adapter, CanFind)) or expired):
                    await self._event(session, letter, "send_uncertain", "interrupted while sending")
                    return await self._close(session, letter, "uncertain", "interrupted while sending", uncertain)
            elif letter.due_at > max(
                now, letter.created_at
            ):  # before it was written it cannot be: then a clock is wrong
                return letter.due_at - now
            if thread is not None:
                letter = replace(letter, part=replace(letter.part, chat=thread.chat))
            await session.outbox.mark_sending(letter, uncertain=uncertain)
            return replace(letter, state="sending", attempts=letter.attempts + 1, uncertain=uncertain), adapter, opens

    async def _not_sent(self, letter: Letter, error: DeliveryError, step: Step, *, askable: bool) -> timedelta:
        """Put it off or give it up; the step ends with which of the two it was."""
        step.outcome = "put_off"
        said = redacted(str(error))  # a gateway may repeat in its answer what it was called with
        now, uncertain = self.clock(), letter.uncertain + error.uncertain
        delay = self._delay(letter, error)
        if askable and error.uncertain:
            delay = max(delay, ASK_AFTER)
        log_ = log.bind(correlation=letter.correlation, letter=letter.id, attempt=letter.attempts, error=said)
        async with self.store.transaction() as session:
            if error.retry_after is not None:
                await session.outbox.hold(letter.lane, now + error.retry_after)
            if error.moved_to is not None and error.moved_to != letter.part.chat.chat_id:
                log_.warning("chat_moved")
                await move(session.connection, letter.part.chat, error.moved_to, now)
                await session.outbox.settle(letter, state="pending", due_at=now, uncertain=uncertain, error=said)
                return timedelta()
            thread = await self._thread(session, letter)
            opens = thread is not None and letter.key == thread.opener_key
            if thread is not None and error.thread_gone and not opens:
                return await self._thread_gone(session, letter, thread)
            hopeless = error.permanent or now - (letter.retried_at or letter.created_at) > GIVE_UP_AFTER
            if opens and (hopeless or _spent(letter, uncertain)):
                # Without its thread nobody would see the ticket: it waits until whoever runs this has put the place right.
                log_.error("no_thread_for_ticket", ticket=thread and thread.ticket, seconds=CAP.total_seconds())
                await session.outbox.settle(letter, state="pending", due_at=now + CAP, uncertain=uncertain, error=said)
                return CAP
            if hopeless:
                step.outcome = "dead"
                log_.error("send_failed_for_good")
                await session.outbox.settle(letter, state="dead", error=said)
                await self._event(session, letter, "unreachable" if error.unreachable else "send_failed", said)
                return timedelta()
            if _spent(letter, uncertain) and not askable:
                step.outcome = "uncertain"
                log_.error("send_uncertain")
                await session.outbox.settle(letter, state="uncertain", uncertain=uncertain, error=said)
                await self._event(session, letter, "send_uncertain", said)
                return timedelta()
            log_.warning("send_put_off", seconds=delay.total_seconds(), uncertain=error.uncertain)
            await session.outbox.settle(letter, state="pending", due_at=now + delay, uncertain=uncertain, error=said)
        return delay

    async def _thread(self, session: Session, letter: Letter) -> Thread | None:
        """The thread that a letter to staff belongs to; it is asked for only then, since most letters go to customers."""
        if letter.author is not Author.STAFF:
            return None
        return await session.threads.of_conversation(letter.conversation_id)

    async def _arrived(self, session: Session, letter: Letter, platform_id: str) -> None:
        """Whoever of staff has said it sees that it is there; a thread or a card of theirs is known from now on."""
        if letter.author is Author.STAFF:
            await session.threads.sent(letter.key, platform_id)
        elif letter.author is Author.PERSON:
            await session.events.add(
                "reply_sent",
                actor="delivery",
                now=self.clock(),
                conversation_id=letter.conversation_id,
                correlation=letter.correlation,
                data={"letter": letter.id},
            )

    async def _astray(self, session: Session, letter: Letter) -> timedelta:
        """What is for staff must not reach a customer, whatever has put it here, nor the other way round."""
        log.critical("letter_astray", correlation=letter.correlation, letter=letter.id, author=letter.author.value)
        return await self._close(session, letter, "dead", "this chat is not for whom it was written")

    async def _thread_gone(self, session: Session, letter: Letter, thread: Thread) -> timedelta:
        log.warning("thread_gone", ticket=thread.ticket, letter=letter.id)
        await session.thread_gone(thread, "delivery", self.clock())
        return timedelta()

    def _delay(self, letter: Letter, error: DeliveryError) -> timedelta:
        """What the platform asks for, else full-jitter exponential backoff (AWS Architecture Blog, 2015), at least 100 ms."""
        if error.retry_after is not None:
            return error.retry_after
        ceiling = min(CAP, BASE * 2.0 ** min(letter.attempts - 1, 16))
        return max(ceiling * self.jitter.random(), timedelta(milliseconds=100))

    async def _close(
        self, session: Session, letter: Letter, state: str, why: str, uncertain: int | None = None
    ) -> timedelta:
        await session.outbox.close(letter, state, why, uncertain=uncertain)
        closed = Step("deliver", letter.part.chat.adapter, state, letter.correlation, attempt=letter.attempts)
        session.after_commit(lambda: tell(self.observe, closed))
        log.info(f"letter_{state}", correlation=letter.correlation, letter=letter.id, why=why)
        return timedelta()

    async def _event(self, session: Session, letter: Letter, kind: str, error: str) -> None:
        now: datetime = self.clock()
        await session.events.add(
            f"staff_{kind}" if letter.author is Author.STAFF else kind,
            actor="delivery",
            now=now,
            conversation_id=letter.conversation_id,
            correlation=letter.correlation,
            data={"letter": letter.id, "error": error},
        )


def _spent(letter: Letter, uncertain: int) -> bool:
    return uncertain - letter.excused >= MAX_UNCERTAIN


async def _found(adapter: CanFind, letter: Letter) -> tuple[str | None, bool]:
    """The platform's id of what may have arrived, and whether the platform could say. Raises DeliveryError: ask again later."""
    try:
        return await adapter.find(letter.part), True
    except DeliveryError as error:
        if not error.permanent:
            raise
        return None, False
