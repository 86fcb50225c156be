"""Does what staff say in their place: a reply, a note, an order, a press of a button. Each message once, in one transaction.

Whoever is not of staff does nothing here, and plain words never reach a customer but by the rules of ``bot.desk.threads``. It must
not know any platform.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.catalogue.catalogue import Catalogue
from bot.desk.case import TicketError
from bot.desk.files import AttachmentError
from bot.desk.handle import BACKOFF, MAX_ATTEMPTS
from bot.desk.staff import Desk
from bot.dialogue.voice import Voice
from bot.errors import ConflictError, DeliveryError
from bot.logs import redacted, told
from bot.model import ChatRef, Conversation, InboundMessage, Language, Mark, Person
from bot.ports import ChatAdapter, Clock, Engine, StaffSurface
from bot.room import orders
from bot.room.obey import Answer, Obey
from bot.room.pen import Pen, pen_for
from bot.room.places import Places
from bot.room.within import Within
from bot.storage.attachments import EXPECTED, STORED
from bot.storage.inbox import Received
from bot.storage.store import Session, Store
from bot.storage.threads import Thread

log = structlog.get_logger(__name__)

FOR_FILES = timedelta(minutes=2)
"""How long a message waits for the files that came with it; then its writer is told that nothing was sent."""
KNOWN_FOR = timedelta(minutes=5)
"""How long a membership that the platform has confirmed is believed."""
REFUSED_FOR = timedelta(seconds=20)
"""How long somebody counts as none: whoever has just joined must not wait, nor may each press of a stranger cost a call."""


@dataclass(frozen=True)
class Room:
    """Handles the messages of conversations that are held where staff sit."""

    store: Store
    engine: Engine
    adapters: Mapping[str, ChatAdapter]
    desk: Desk
    catalogue: Callable[[], Catalogue]
    clock: Clock
    places: Places
    language: Language
    _members: dict[tuple[str, str, str], tuple[bool, datetime]] = field(default_factory=dict)

    def holds(self, chat: ChatRef) -> bool:
        return self.places.holds(chat)

    async def __call__(self, conversation: Conversation, waiting: Sequence[Received]) -> timedelta | None:
        """Handle the oldest message. Returns when to look again."""
        received = waiting[0]
        now = self.clock()
        if received.retry_at is not None and received.retry_at > now:
            return received.retry_at - now
        log_ = log.bind(correlation=received.correlation, conversation=conversation.id)
        try:
            if await self._cleared_away(received):
                return timedelta()
            staff = await self.member(conversation.chat, received.message.sender)
            if staff is None:
                return await self._refuse(conversation, received)
            if (wait := await self._files_to_come(received)) is not None:
                return wait
            await self._do(conversation, received, staff)
        except ConflictError:
            log_.info("order_overtaken")
        except Exception as error:
            log_.warning("order_failed", attempt=received.attempts + 1, error=told(error))
            return await self._failed(conversation, received, error)
        else:
            log_.info("order_done")
        return timedelta()

    async def joined(self, conversation: Conversation, received: Received) -> bool:
        """Whoever of the list of staff writes where a customer has written has taken over; what was said is not said again."""
        message = received.message
        staff = self.places.roster.find(message.chat.adapter, message.sender.id)
        if staff is None or message.action is not None or message.deletion_of is not None:
            return False
        async with self.store.transaction() as session:
            if not await session.inbox.others(conversation.id, message.sender.id):
                return False  # alone with the bot they are a customer, to try it
            desk = replace(self.desk, store=Within(session))  # type: ignore[arg-type]  # as below
            await desk.spoke(conversation.id, staff, message.text, message.chat, message.message_id)
            await session.inbox.mark_handled((received.id,), self.clock())
        log.info("staff_joined", conversation=conversation.id, correlation=received.correlation)
        return True

    # --- who may ----------------------------------------------------------------------------------------------

    async def member(self, chat: ChatRef, sender: Person) -> Person | None:
        """The member of staff who has written, None for anybody else. Raises DeliveryError when that cannot be said just now."""
        if self.places.roster:
            return self.places.roster.find(chat.adapter, sender.id)
        surface, now = self.adapters[chat.adapter], self.clock()
        if not isinstance(surface, StaffSurface):
            return None
        key = (chat.adapter, chat.chat_id, sender.id)
        known = self._members.get(key)
        if known is None or now - known[1] > (KNOWN_FOR if known[0] else REFUSED_FOR):
            known = (await surface.is_member(chat, sender), now)
            if len(self._members) > 1000:
                self._members.clear()
            self._members[key] = known
        return Person(f"{chat.adapter}:{sender.id}", sender.name) if known[0] else None

    async def _refuse(self, conversation: Conversation, received: Received) -> timedelta:
        """Somebody who is not of staff, or hides who they are: nothing happens, which is seen and kept.

        It is put into words once for each of them in each thread; outside of threads people may talk as they like.
        """
        message = received.message
        actor = f"{message.chat.adapter}:{message.sender.id}"
        async with self.store.transaction() as session:
            thread = await self._thread(session, message)
            if message.action is not None or thread is not None:
                pen = await self._pen(session, conversation, message.chat, thread)
                if message.action is None and message.edit_of is None and message.deletion_of is None:
                    await pen.mark(message.message_id, Mark.FAILED, f"refused:{received.id}:mark")
                if not await session.events.refused(conversation.id, actor):
                    text = Voice(self.catalogue(), self.language).text("room.not_of_staff", name=message.sender.name)
                    await pen.say(text, f"refused:{received.id}")
            await session.events.add(
                "staff_refused",
                actor=actor,
                now=self.clock(),
                conversation_id=conversation.id,
                correlation=received.correlation,
                data={"action": message.action or ""},
            )
            await session.inbox.mark_handled((received.id,), self.clock())
        log.warning("not_of_staff", adapter=message.chat.adapter, person=message.sender.id, action=message.action)
        return timedelta()

    async def _cleared_away(self, received: Received) -> bool:
        """Somebody, of whom the platform says nothing more, has deleted a card, and its thread with it: it is opened anew."""
        message = received.message
        if message.deletion_of is None:
            return False
        async with self.store.transaction() as session:
            thread = await self._thread(session, message)
            if thread is None or message.deletion_of not in (thread.thread_id, thread.card_id):
                return False
            await session.thread_gone(thread, "platform", self.clock())
            await session.inbox.mark_handled((received.id,), self.clock())
        log.warning("thread_gone", ticket=thread.ticket)
        return True

    # --- what is done -----------------------------------------------------------------------------------------

    async def _files_to_come(self, received: Received) -> timedelta | None:
        if not received.message.attachments:
            return None
        async with self.store.snapshot() as session:
            filed = await session.attachments.of_message(received.id)
        late = self.clock() - received.received_at > FOR_FILES
        return timedelta(seconds=1) if any(f.state == EXPECTED for f in filed) and not late else None

    async def _do(self, conversation: Conversation, received: Received, staff: Person) -> None:
        message = received.message
        async with self.store.transaction() as session:
            thread = await self._thread(session, message)
            desk = replace(self.desk, store=Within(session))  # type: ignore[arg-type]  # it is a store in all that a use case needs
            voice = Voice(self.catalogue(), self.language)
            obey = Obey(session, desk, voice, staff, thread, self.places)
            try:
                async with session.connection.begin_nested():
                    answer = await self._answer(obey, session, received)
            except (TicketError, AttachmentError) as error:
                answer = Answer(obey.refusal(error))
            await session.inbox.mark_handled((received.id,), self.clock())
            if answer is not None and answer.text:
                pen = await self._pen(session, conversation, message.chat, thread)
                edit_of = message.reply_to if answer.instead else None
                await pen.say(
                    answer.text, f"answer:{received.id}", buttons=answer.buttons, files=answer.files, edit_of=edit_of
                )

    async def _answer(self, obey: Obey, session: Session, received: Received) -> Answer | None:
        message = received.message
        files = await session.attachments.of_message(received.id)
        if message.action is not None:
            order = orders.pressed(message.action, message.text)
            return await obey(order, message) if order is not None else None
        if message.deletion_of is not None:
            return await obey.deleted(message, message.deletion_of)
        if message.edit_of is not None:
            return await obey.edited(message, message.edit_of)
        if missing := [f.name for f in files if f.state != STORED]:
            return obey.files_missing(missing)
        given = orders.typed(message.text)
        if isinstance(given, orders.Unknown):
            return obey.unknown(given.word)
        if given is not None:
            return await obey(given, message, files)
        return await obey.words(message, files)

    async def _thread(self, session: Session, message: InboundMessage) -> Thread | None:
        place, chat = self.places.main, message.chat
        if place is None or chat.thread_id is None or not self.places.is_main(chat):
            return None
        return await session.threads.at(place, chat.thread_id)

    async def _pen(self, session: Session, conversation: Conversation, chat: ChatRef, thread: Thread | None) -> Pen:
        """Answers go where the message was: into the ticket's thread, or wherever staff have written."""
        adapter = self.adapters[chat.adapter]
        if thread is not None:
            return pen_for(thread, session, self.engine, adapter, self.clock())
        return Pen(session, self.engine, adapter, chat, conversation.id, self.clock())

    async def _failed(self, conversation: Conversation, received: Received, error: Exception) -> timedelta:
        """At the last attempt its writer is told that nothing was done with it."""
        now, trace = self.clock(), redacted(traceback.format_exc(limit=-3))
        last = received.attempts + 1 >= MAX_ATTEMPTS and not isinstance(error, DeliveryError)
        async with self.store.transaction() as session:
            if not last:
                delay = BACKOFF[min(received.attempts, len(BACKOFF) - 1)]
                await session.inbox.mark_failed(received, trace, now + delay)
                return delay
            await session.inbox.mark_failed(received, trace, now)
            await session.inbox.mark_dead(received, now)
            await session.events.add(
                "dead_letter",
                actor="bot",
                now=now,
                conversation_id=conversation.id,
                correlation=received.correlation,
                data={"inbox": received.id, "error": trace},
            )
            thread = await self._thread(session, received.message)
            pen = await self._pen(session, conversation, received.message.chat, thread)
            await pen.say(Voice(self.catalogue(), self.language).text("room.failed"), f"failed:{received.id}")
        log.error("order_dead", correlation=received.correlation, conversation=conversation.id)
        return timedelta()
