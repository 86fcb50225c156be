"""What may be set down about a ticket in one form, where a platform has forms: in place of the menus of ``menus``.

What is filled in comes back as orders, each as if a button had been pressed. It must not know how a form is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.catalogue.catalogue import Catalogue
from bot.desk.cards import plain
from bot.dialogue.voice import Voice
from bot.errors import FirstlineError
from bot.model import Category, Choice, Form, FormField, InboundMessage, Language, Person, Priority, Ticket
from bot.room import orders
from bot.room.listen import Room
from bot.room.obey import colleagues
from bot.room.orders import WRITTEN


@dataclass(frozen=True)
class Forms:
    """Fulfils ``ports.Forms`` for the buttons that staff press."""

    room: Room
    catalogue: Callable[[], Catalogue]
    language: Language

    async def __call__(self, message: InboundMessage) -> Form | None:
        order = orders.pressed(message.action or "")
        number = orders.number(order.about) if order is not None else None
        if order is None or number is None or order.words or not self.room.places.is_main(message.chat):
            return None
        try:
            # Whoever may not act gets no form, so that the press is refused, and that is kept.
            if await self.room.member(message.chat, message.sender) is None:
                return None
            async with self.room.store.snapshot() as session:
                ticket = await session.tickets.get(number)
            if ticket is None or not ticket.open:
                return None
            voice = Voice(self.catalogue(), self.language, ticket.key)
            match order.verb:
                case "resolve":
                    return resolving(ticket, voice)
                case "menu":
                    return setting(
                        ticket, voice, await colleagues(self.room.desk, self.room.places), self.room.desk.canned()
                    )
        except FirstlineError:
            return None  # the press itself will say what is wrong
        return None


def resolving(ticket: Ticket, voice: Voice) -> Form:
    """Resolve, with a sentence to the customer if there is one to be said."""
    words = FormField(f"staff:resolve:{ticket.number}:{WRITTEN}", plain(voice, "form.closing"), always=True)
    return Form(f"{ticket.key}: {plain(voice, 'card.do.resolve')}", plain(voice, "card.do.resolve"), (words,))


def setting(ticket: Ticket, voice: Voice, staff: Sequence[Person], canned: Sequence[str]) -> Form:
    """All that the menus offer at once; only what is changed is ordered."""

    def chosen(verb: str, label: str, choices: Sequence[Choice], now: str = "") -> FormField:
        return FormField(f"staff:{verb}:{ticket.number}", plain(voice, label), now, tuple(choices))

    priorities = [Choice(plain(voice, f"priority.{p.value}"), p.value) for p in Priority]
    categories = [Choice(plain(voice, f"category.{c.value}"), c.value) for c in Category]
    people = [Choice(person.name, person.id) for person in staff]
    texts = voice.catalogue.texts[voice.language]
    prepared = [Choice(" ".join(str(texts[f"canned.{key}"]).split()), key) for key in canned]
    fields = (
        chosen("category", "menu.category", categories, ticket.category.value if ticket.category else ""),
        chosen("priority", "menu.priority", priorities, ticket.priority.value),
        chosen("assign", "menu.assign", people, ticket.assignee_id or ""),
        chosen("canned", "form.canned", prepared),
        FormField(f"staff:note:{ticket.number}:{WRITTEN}", plain(voice, "form.note")),
    )
    shown = tuple(f for f in fields if f.choices or f.action.endswith(WRITTEN))
    return Form(ticket.key, plain(voice, "form.do"), shown)
