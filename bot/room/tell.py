"""Tells staff what has happened: from the events of a conversation into the threads of its tickets, each event once.

It runs after the transaction of what happened and in one of its own, so that nothing that goes wrong here can hold up a customer.
It must not know any platform, nor decide anything about a ticket.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

import structlog

from bot.catalogue.catalogue import Catalogue
from bot.desk.cards import alert_text, staff_card
from bot.desk.lanes import DELIVER
from bot.desk.view import View, view_of
from bot.dialogue.voice import Voice
from bot.errors import ConflictError, ElsewhereError, SettingsError
from bot.model import Author, Card, ChatRef, Language, Mark, Person, TicketState
from bot.ports import ChatAdapter, Clock, Engine, StaffSurface
from bot.room import narrate
from bot.room.pen import Pen, pen_for
from bot.room.places import Places
from bot.storage.attachments import STORED, Filed
from bot.storage.events import ABOUT_SENDING, Event
from bot.storage.outbox import Draft
from bot.storage.store import Session, Store
from bot.storage.threads import GONE, Thread

log = structlog.get_logger(__name__)

SOON = timedelta(seconds=2)
NEWEST = 40
"""How much of the talk is read for a card: telling one thing more costs the same however long it has become."""
SECOND_CHAT = 3
"""The rung of the ladder at which another chat is told, too."""

URGENT = frozenset({"failed", "not_taken", "promise_missed", "silence", "assigned"})
"""Alerts that are worth a word even where the thread has only just been opened."""


class _LaterError(Exception):
    """What is to be changed is on its way just now."""


@dataclass(frozen=True)
class Teller:
    """Handles the lanes of the kind TELL, which are customers' conversations.

    Making it raises SettingsError where the place of staff is on a platform that has no threads for them.
    """

    store: Store
    engine: Engine
    adapters: Mapping[str, ChatAdapter]
    catalogue: Callable[[], Catalogue]
    clock: Clock
    places: Places
    language: Language

    def __post_init__(self) -> None:
        place = self.places.main
        if place is not None and (adapter := self.adapters.get(place.adapter)) is not None:
            self._surface(adapter)

    async def recall(self) -> None:
        """Tickets that were open before staff had this place are told there, too; for the start."""
        if self.places.main is not None:
            async with self.store.transaction() as session:
                if count := await session.events.recall(self.places.main):
                    log.info("tickets_recalled", count=count)

    async def __call__(self, conversation_id: str) -> timedelta | None:
        """Tell what has not been told. Returns when to look again. Raises ElsewhereError."""
        place = self.places.main
        if place is None:
            return None
        if place.adapter not in self.adapters:
            raise ElsewhereError(place.adapter)
        try:
            async with self.store.transaction() as session:
                events = await session.events.untold(conversation_id)
                if events:
                    await self._tell(session, place, conversation_id, events)
                    await session.events.mark_told(events)
        except ConflictError:
            return timedelta()
        except _LaterError:
            return SOON
        return None

    async def _tell(self, session: Session, place: ChatRef, conversation_id: str, events: Sequence[Event]) -> None:
        by_ticket: dict[int, list[Event]] = {}
        for event in events:
            number = await self._ticket(session, conversation_id, event)
            if number is not None:
                by_ticket.setdefault(number, []).append(event)
        for number, its in by_ticket.items():
            if await session.tickets.get(number) is None:
                continue
            view = await view_of(session, number, self.clock(), newest=NEWEST)
            await self._about(session, place, view, its)

    async def _ticket(self, session: Session, conversation_id: str, event: Event) -> int | None:
        if event.ticket is not None or event.kind not in ABOUT_SENDING:
            return event.ticket
        reply = await session.events.replied(event.correlation) if event.correlation else None
        if reply is not None:
            return reply.ticket
        return (await session.conversations.get(conversation_id)).ticket

    async def _about(self, session: Session, place: ChatRef, view: View, events: Sequence[Event]) -> None:
        thread = await session.threads.of_ticket(view.ticket.number, place)
        new = thread is None
        if thread is None:
            if not view.ticket.open:
                return
            thread = await session.threads.begin(view.ticket.number, place, self.clock())
        if again := thread.generation <= 0:
            thread = await self._open(session, thread, view)
        pen = pen_for(thread, session, self.engine, self.adapters[place.adapter], self.clock())
        voice = Voice(self.catalogue(), self.language, view.ticket.key)
        surface = self._surface(pen.adapter)
        if again and not new:
            await self._catch_up(session, thread)
        closed = view.ticket.state is TicketState.CLOSED
        if not closed and not thread.open:
            await pen.put(surface.shut(pen.chat, shut=False), f"open:{events[0].id}")
            await session.threads.put(thread, open=1)
        if new:
            await self._beginning(pen, view, voice)
        for event in events:
            if new:
                alert = event.data.get("key") if event.kind == "staff_alert" else None
                if alert in URGENT:
                    await self._said(pen, event, narrate.happened(event, voice))
                await self._files_of(pen, event, voice)
            else:
                await self._event(pen, view, event, events, voice)
            if event.kind == "staff_alert" and event.data.get("step") == SECOND_CHAT:
                await self._second(session, event, voice)
        if not again:
            await self._redraw(pen, thread, view, events[-1])
        if closed and thread.open:
            await pen.put(surface.shut(pen.chat, shut=True), f"shut:{events[-1].id}")
            await session.threads.put(thread, open=0)

    # --- one event -------------------------------------------------------------------------------------------

    async def _event(self, pen: Pen, view: View, event: Event, events: Sequence[Event], voice: Voice) -> None:
        match event.kind:
            case "turn" if view.ticket.state is not TicketState.CLOSED or _ends(event, events):
                await self._turn(pen, event, voice)
            case "turn":
                pass  # another matter, in the same chat
            case "staff_replied" | "staff_noted":
                await self._by_staff(pen, event, voice)
            case kind if kind in ABOUT_SENDING:
                await self._sending(pen, event, voice)
            case "file_stored":
                await self._files_of(pen, event, voice)
            case "ticket_taken" if event.data.get("unsaid"):
                found = [await pen.session.outbox.get(int(letter)) for letter in event.data["unsaid"]]
                unsaid = "\n\n".join(letter.text for letter in found if letter is not None and letter.text)
                await self._said(pen, event, narrate.taken(event, unsaid, voice))
            case _:
                await self._said(pen, event, narrate.happened(event, voice))

    async def _turn(self, pen: Pen, event: Event, voice: Voice) -> None:
        """What the customer has written, and what the bot has answered, if it has the word; together where both are one's words."""
        session = pen.session
        changed = event.data.get("edit_of") or event.data.get("deletion_of")
        before = next(iter(await session.inbox.some([int(changed)])), None) if changed else None
        told = [
            (received.correlation, narrate.wrote(received, before.message.text if before else None, voice))
            for received in await session.inbox.some([int(n) for n in event.data.get("messages", ())])
        ]
        told += [
            (event.correlation or "", narrate.answered(letter.text, voice))
            for letter in await session.outbox.of_correlation(event.conversation_id or "", event.correlation or "")
            if letter.author is Author.BOT and letter.text and letter.state != "dropped"
        ]
        for number, (correlation, texts) in enumerate(groupby(told, key=itemgetter(0))):
            text = "\n\n".join(filter(None, (text for _, text in texts)))
            if text:
                await pen.say(text, f"event:{event.id}:{number}", correlation=correlation)
        await self._files_of(pen, event, voice)

    async def _by_staff(self, pen: Pen, event: Event, voice: Voice) -> None:
        """What somebody has written here is marked; what they have said elsewhere is shown."""
        here = await pen.session.staff.said(event.correlation) if event.correlation else None
        reply = event.kind == "staff_replied"
        if here is not None and here.chat is not None and here.message_id and self.places.holds(here.chat):
            await pen.mark(here.message_id, Mark.SENDING if reply else Mark.NOTED, f"event:{event.id}:mark")
        else:
            told = narrate.replied(event, voice) if reply else narrate.noted(event, voice)
            await pen.say(told.text, f"event:{event.id}")

    async def _sending(self, pen: Pen, event: Event, voice: Voice) -> None:
        """A tick where the customer has all of it, else as loud as can be."""
        session, correlation = pen.session, event.correlation or ""
        here, reply = await session.staff.said(correlation), await session.events.replied(correlation)
        letters = await session.outbox.of_correlation(event.conversation_id or "", correlation)
        if event.kind == "reply_sent":
            if here is not None and here.message_id and all(letter.state == "sent" for letter in letters):
                await pen.mark(here.message_id, Mark.SENT, f"event:{event.id}:mark")
            return
        if here is not None and here.message_id:
            await pen.mark(here.message_id, Mark.FAILED, f"event:{event.id}:mark")
        said = "\n".join(letter.text for letter in letters if letter.text)
        author = reply.actor.removeprefix("staff:") if reply is not None else None
        await self._said(pen, event, narrate.undelivered(event.kind, said, author, voice))

    async def _said(self, pen: Pen, event: Event, told: narrate.Told | None) -> None:
        if told is not None:
            mentions = await self._mentions(pen.session, told.names, pen.chat.adapter)
            await pen.say(told.text, f"event:{event.id}", correlation=event.correlation, mentions=mentions)

    async def _mentions(self, session: Session, names: Sequence[str], adapter: str) -> tuple[Person, ...]:
        found = []
        for staff in names:
            account = self.places.roster.account(staff, adapter)
            member = await session.staff.get(staff)
            if account is not None:
                found.append(Person(account, member.person.name if member else account))
        return tuple(found)

    async def _files_of(self, pen: Pen, event: Event, voice: Voice) -> None:
        """What an event brings along: a file is often there before its message is handled, and so before anybody knows of which
        ticket it is.
        """
        attachments = pen.session.attachments
        match event.kind:
            case "turn":
                brought = [f for n in event.data.get("messages", ()) for f in await attachments.of_message(int(n))]
            case "file_stored":
                brought = [f for f in [await attachments.get(int(event.data["attachment"]))] if f is not None]
            case _:
                brought = []
        for filed in brought:
            await self._file(pen, filed, voice)

    async def _file(self, pen: Pen, filed: Filed, voice: Voice) -> None:
        """A file of the customer's, once; one that may do harm is only named."""
        if filed.author == "staff" or filed.state != STORED or filed.file is None or await pen.said(f"file:{filed.id}"):
            return
        if filed.held:
            mark = voice.text(f"file_mark.{filed.danger}")
            text = voice.text("room.file_held", file=filed.name, mark=mark, id=str(filed.id))
            await pen.say(text, f"file:{filed.id}")
        else:
            text = voice.text("room.file", file=filed.name, id=str(filed.id))
            await pen.say(text, f"file:{filed.id}", files=(filed.file,))

    async def _second(self, session: Session, event: Event, voice: Voice) -> None:
        place = self.places.second
        if place is None:
            return
        adapter = self.adapters.get(place.adapter)
        if adapter is None:
            raise ElsewhereError(place.adapter)
        apart = ChatRef(place.adapter, place.chat_id, "alerts")
        conversation_id, _ = await session.conversations.next_seq(apart, self.clock())
        pen = Pen(session, self.engine, adapter, place, conversation_id, self.clock())
        alert = narrate.alert_of(event)
        await pen.say(alert_text(alert, voice.catalogue, voice.language), f"event:{event.id}")

    # --- threads and cards --------------------------------------------------------------------------------------

    def _surface(self, adapter: ChatAdapter) -> StaffSurface:
        if not isinstance(adapter, StaffSurface):
            raise SettingsError(
                f"Staff cannot work in {adapter.name}: FIRSTLINE_STAFF_CHAT must name another platform."
            )
        return adapter

    async def _open(self, session: Session, thread: Thread, view: View) -> Thread:
        adapter = self.adapters[thread.adapter]
        card = self._card(view)
        pen = pen_for(thread, session, self.engine, adapter, self.clock())
        try:
            parts = self._surface(adapter).draw(pen.chat, card, None)
        except ValueError as error:
            log.error("card_cannot_be_drawn", ticket=view.ticket.key, error=str(error))
            parts = self._surface(adapter).draw(pen.chat, Card("staff", card.ticket, view.ticket.key), None)
        generation = 1 - thread.generation
        keys = await pen.put(parts, f"open:{generation}", card.title)
        after = replace(
            thread, opener_key=keys[0], card_key=keys[-1], shown=_digest(card), generation=generation, open=True
        )
        await session.threads.opened(after)
        return after

    async def _beginning(self, pen: Pen, view: View, voice: Voice) -> None:
        if text := narrate.so_far(view.talk, voice):
            await pen.say(text, "so_far", correlation=view.opening[0].correlation if view.opening else None)
        for filed in view.files:
            await self._file(pen, filed, voice)

    async def _catch_up(self, session: Session, thread: Thread) -> None:
        """What could not be said in the thread that is gone is said in the new one."""
        missed = await session.outbox.unsaid(thread.conversation_id, GONE)
        drafts = tuple(
            Draft(
                f"{letter.key}#{thread.generation}",
                thread.conversation_id,
                Author.STAFF,
                letter.part,
                letter.text,
                letter.correlation,
            )
            for letter in missed
            if ":open:" not in letter.key and ":card:" not in letter.key
        )
        await session.outbox.add(drafts, self.clock())
        await session.outbox.caught_up(missed)
        if drafts:
            await self.engine.wake(session, DELIVER, thread.chat.lane)

    async def _redraw(self, pen: Pen, thread: Thread, view: View, event: Event) -> None:
        """The card as it is now: a drawing that is not on its way yet is changed, else there is one more."""
        card = self._card(view)
        if (digest := _digest(card)) == thread.shown:
            return
        surface, outbox = self._surface(pen.adapter), pen.session.outbox
        drawn = surface.draw(pen.chat, card, thread.card_id)[-1]
        values: dict[str, str] = {"shown": digest}
        if not await outbox.revise(thread.card_key, drawn):
            if thread.card_id is None:
                raise _LaterError
            (values["card_key"],) = await pen.put((drawn,), f"card:{event.id}")
        await pen.session.threads.put(thread, **values)

    def _card(self, view: View) -> Card:
        return staff_card(view, self.catalogue(), self.language)


def _ends(turn: Event, events: Sequence[Event]) -> bool:
    """Whether these are the words with which the ticket was closed, or rated: something about it has come of them."""
    return any(event.kind != "turn" and event.correlation == turn.correlation for event in events)


def _digest(card: Card) -> str:
    return hashlib.sha256(json.dumps(asdict(card), sort_keys=True).encode()).hexdigest()
