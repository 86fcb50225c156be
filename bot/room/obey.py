"""From an order to the desk's use case, and from its outcome to the words that staff read. One object for each message.

It must not know any platform, nor decide who may give orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.desk.case import TicketError
from bot.desk.files import AttachmentError, release
from bot.desk.staff import Desk
from bot.desk.threads import Written
from bot.dialogue.voice import Voice, escaped
from bot.errors import FirstlineError
from bot.model import Button, File, InboundMessage, Person, TicketState, ticket_key
from bot.room import orders
from bot.room.menus import menu
from bot.room.orders import Order
from bot.room.places import Places
from bot.storage.attachments import Filed
from bot.storage.store import Session
from bot.storage.threads import Thread

LONGEST_LIST = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """``text`` is Markdown. ``instead``: in place of the message whose button was pressed."""

    text: str
    buttons: tuple[Button, ...] = ()
    files: tuple[File, ...] = ()
    instead: bool = False


@dataclass(frozen=True, slots=True)
class Obey:
    """``thread`` is the one in which ``staff`` has spoken; None outside of every ticket's."""

    session: Session
    desk: Desk
    voice: Voice
    staff: Person
    thread: Thread | None
    places: Places

    async def __call__(self, order: Order, message: InboundMessage, files: Sequence[Filed] = ()) -> Answer | None:
        """Raises TicketError, AttachmentError when it cannot be done."""
        match order.verb:
            case "help":
                return Answer(self._help())
            case "tickets":
                return Answer(await self._tickets())
            case "away":
                offered = await self.desk.away(self.staff)
                return Answer(self.voice.text("room.away", tickets=", ".join(offered) or "–"))
            case "here":
                await self.desk.here(self.staff)
                return Answer(self.voice.text("room.here"))
            case "as_reply" | "as_note":
                return await self._decided(order, message)
        number = self._number(order)
        if number is None:
            return Answer(self.voice.text("room.which_ticket"))
        return await self._about(order, number, message, files)

    async def words(self, message: InboundMessage, files: Sequence[Filed]) -> Answer | None:
        """Plain words in a thread: a reply, a note, or a question back. Elsewhere staff talk among themselves."""
        if self.thread is None:
            return Answer(self.voice.text("room.no_ticket")) if message.chat.thread_id else None
        number = self.thread.ticket
        adopted = await self._adopt(files, number)
        written = await self.desk.thread_message(
            number, self.staff, message.text, message.chat, message.message_id, adopted
        )
        return self._question(written, message)

    async def edited(self, message: InboundMessage, original: str) -> Answer | None:
        if self.thread is None or orders.typed(message.text) is not None:
            return None
        changed = await self.desk.thread_edit(message.chat, original, self.staff, message.text)
        if changed.what in ("nothing", "question"):
            return None
        return Answer(self.voice.text(f"room.changed_{changed.what}"))

    async def deleted(self, message: InboundMessage, original: str) -> Answer | None:
        if self.thread is None or await self.session.staff.written(message.chat, original) is None:
            return None  # an order or small talk, which is done or was nothing
        await self.desk.thread_deletion(message.chat, original, self.staff)
        return None

    def files_missing(self, names: Sequence[str]) -> Answer:
        return Answer(self.voice.text("room.files_missing", files=", ".join(names)))

    def unknown(self, word: str) -> Answer:
        return Answer(self.voice.text("room.unknown", word=word))

    def refusal(self, error: FirstlineError) -> str:
        if isinstance(error, TicketError) and error.key is not None:
            why = self.voice.text(f"refusal.{error.key}", **error.values)
        else:
            why = escaped(str(error))
        return f"{self.voice.text('room.refused')} {why}"

    # --- orders about a ticket --------------------------------------------------------------------------------

    async def _about(self, order: Order, number: int, message: InboundMessage, files: Sequence[Filed]) -> Answer | None:
        desk, staff, words = self.desk, self.staff, order.words
        match order.verb:
            case "take":
                await desk.take(number, staff)
            case "hand_back":
                await desk.hand_back(number, staff, words)
            case "resolve":
                await desk.resolve(number, staff, words)
            case "close":
                await desk.close(number, staff)
            case "reopen":
                await desk.reopen(number, staff)
            case "undo":
                await desk.undo(number, staff)
            case "reply":
                await desk.reply(number, staff, words, await self._adopt(files, number))
            case "ask":
                await desk.ask(number, staff, words)
            case "note":
                if not words and not files:
                    return Answer(self.voice.text("room.empty_note"))
                await self._adopt(files, number)
                await desk.note(number, staff, words or ", ".join(f.name for f in files))
            case "progress":
                await desk.progress(number, staff, words or None)
            case "canned":
                if not words:
                    return await self._menu(number, "canned")
                await desk.reply_with(number, staff, words)
                return self._done(message)
            case "link" | "merge":
                other = orders.number(words)
                if other is None:
                    return Answer(self.voice.text("room.which_ticket"))
                await (desk.link(number, staff, other) if order.verb == "link" else desk.merge(number, staff, other))
            case "release":
                return await self._release(words)
            case _:
                return await self._set(order, number, message)
        return None

    async def _set(self, order: Order, number: int, message: InboundMessage) -> Answer | None:
        """What is chosen from a menu, or typed with a word behind it."""
        words = order.words
        match order.verb:
            case "menu":
                return await self._menu(number, words, instead=bool(words))
            case "priority" if (priority := orders.priority(words)) is not None:
                await self.desk.prioritise(number, self.staff, priority)
            case "category" if (category := orders.category(words)) is not None:
                await self.desk.correct(number, self.staff, category)
            case "assign" if (to := await self._somebody(words)) is not None:
                await self.desk.assign(number, self.staff, to)
            case _:
                return await self._menu(number, order.verb)
        return self._done(message)

    def _done(self, message: InboundMessage) -> Answer | None:
        """The menu has served its purpose; what was done is told in the thread anyway."""
        from_a_menu = message.action is not None and message.reply_to is not None
        return Answer(self.voice.text("menu.done"), instead=True) if from_a_menu else None

    async def _menu(self, number: int, section: str, *, instead: bool = False) -> Answer:
        ticket = await self.session.tickets.get(number)
        if ticket is None:
            raise TicketError(f"There is no ticket {ticket_key(number)}.")
        shown = menu(ticket, section, self.voice, await colleagues(self.desk, self.places), self.desk.canned())
        return Answer(shown.text, shown.buttons, instead=instead)

    async def _somebody(self, words: str) -> Person | None:
        """A colleague by id, by name or by the beginning of a name that only one has; ``me`` is whoever speaks."""
        wanted = words.strip().removeprefix("@").casefold()
        if wanted in ("me", "mich", "mir"):
            return self.staff
        people = await colleagues(self.desk, self.places)
        exact = [p for p in people if wanted in (p.id.casefold(), p.name.casefold())]
        found = exact or [p for p in people if wanted and p.name.casefold().startswith(wanted)]
        return found[0] if len(found) == 1 else None

    async def _decided(self, order: Order, message: InboundMessage) -> Answer | None:
        """Whether a text was for the customer; the message is in the chat in which it was asked."""
        original = await self.session.inbox.find(message.chat, order.about)
        files = await self.session.attachments.of_message(original.id) if original is not None else ()
        choice = "reply" if order.verb == "as_reply" else "note"
        adopted = await self._adopt(files, self.thread.ticket) if self.thread is not None else ()
        written = await self.desk.thread_answer(message.chat, order.about, self.staff, choice, adopted)  # type: ignore[arg-type]
        return Answer(self.voice.text(f"room.was_{written.became}"), instead=True)

    def _question(self, written: Written, message: InboundMessage) -> Answer | None:
        if written.became != "asked" or written.again:
            return None
        text, buttons = self.desk.audience_question(self.voice.language, message.message_id)
        return Answer(text, buttons)

    async def _adopt(self, files: Sequence[Filed], number: int) -> tuple[int, ...]:
        ids = tuple(filed.id for filed in files)
        if ids:
            await self.session.attachments.adopt(ids, number, self.staff.id)
        return ids

    async def _release(self, words: str) -> Answer | None:
        """A file that may do harm, which somebody of staff has decided to look at."""
        filed = await self.session.attachments.get(int(words)) if words.isdecimal() and len(words) < 18 else None
        if filed is None or filed.file is None or self.thread is None or filed.ticket != self.thread.ticket:
            raise AttachmentError(f"There is no file {words or '?'} in this ticket.")
        await release(self.session, filed, self.staff, self.desk.clock())
        return Answer(self.voice.text("room.file", file=filed.name, id=str(filed.id)), files=(filed.file,))

    def _number(self, order: Order) -> int | None:
        """The ticket that a button names, else the thread's; an order to one ticket is never carried out on another."""
        if order.about:
            return orders.number(order.about)
        return self.thread.ticket if self.thread is not None else None

    # --- orders about the room --------------------------------------------------------------------------------

    def _help(self) -> str:
        lines = [f"- `!{word}`: {self.voice.text(f'room_help.{verb}')}" for verb, word in orders.commands().items()]
        return "\n".join([self.voice.text("room.help"), "", *lines])

    async def _tickets(self) -> str:
        tickets = await self.session.tickets.all(TicketState.OPEN, TicketState.TAKEN, TicketState.WAITING_FOR_CUSTOMER)
        lines = [
            f"- **{t.key}** {escaped(t.subject)} · {self.voice.text('state.' + t.state.value)}"
            f" · {escaped(t.assignee or self.voice.text('card.nobody'))}"
            for t in tickets[-LONGEST_LIST:]
        ]
        return "\n".join([self.voice.text("room.open_tickets", count=str(len(tickets))), "", *lines])


async def colleagues(desk: Desk, places: Places) -> tuple[Person, ...]:
    """Those to whom a ticket can be assigned: the list of staff, else whoever has acted."""
    if places.roster:
        return tuple(c.person for c in places.roster.colleagues)
    return tuple(member.person for member in await desk.colleagues())
