"""What a customer finds in a place of their own: their open tickets, and the way to more.

It reads, changes nothing, and shows nobody's tickets to anybody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.agreement.customers import Level
from bot.catalogue.catalogue import Catalogue
from bot.dialogue import actions
from bot.dialogue.decisions import About, TicketStatus
from bot.dialogue.situation import Situation
from bot.dialogue.speak import speak
from bot.dialogue.turn import Outcome
from bot.dialogue.voice import Voice
from bot.model import Address, ChatRef, Conversation, Language, Page, Person, Ticket
from bot.ports import Clock
from bot.storage.store import Store


@dataclass(frozen=True)
class HomePage:
    """``catalogue`` gives the one in force."""

    store: Store
    catalogue: Callable[[], Catalogue]
    clock: Clock
    default_language: Language

    async def __call__(self, chat: ChatRef, person: Person) -> Page:
        """The page of ``person``, whose direct chat with the bot is ``chat``. Raises DatabaseError."""
        async with self.store.snapshot() as session:
            conversation = await session.conversations.find(chat)
            tickets: dict[int, Ticket] = {}
            if conversation is not None:
                tickets |= {t.number: t for t in await session.tickets.of_conversation(conversation.id)}
            standings = await session.customers.standings(chat, person.id)
            for standing in standings:
                # Who only says where they belong sees what they have told themselves, and no more.
                if standing.level is Level.PROVEN and standing.organisation is not None:
                    theirs = await session.tickets.of_organisation(standing.organisation.id)
                    tickets |= {t.number: t for t in theirs}
        known = next((standing.organisation for standing in standings if standing.organisation is not None), None)
        return self._page(conversation or Conversation("", chat), tickets, known.address if known else "sie")

    def _page(self, conversation: Conversation, tickets: dict[int, Ticket], address: Address) -> Page:
        catalogue, language = self.catalogue(), conversation.language or self.default_language
        voice = Voice(catalogue, language, address=address)
        newest = tuple(tickets[number] for number in sorted(tickets, reverse=True))
        decision = TicketStatus(About(), newest)
        outcome = Outcome((decision,), language, conversation, self.clock(), address=address)
        stands = speak(outcome, catalogue, Situation(usual_hours=catalogue.agreement.hours), {}) if newest else None
        paragraphs = (
            voice.text("home.welcome"),
            f"**{voice.text('home.tickets')}**",
            stands.text if stands else voice.text("home.none"),
        )
        return Page(
            "\n\n".join(paragraphs),
            (voice.button("person", actions.PERSON), voice.button("my_tickets", actions.MY_TICKETS)),
        )
