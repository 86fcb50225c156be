"""A channel of several customers, as each of them sees it: their own ticket, their own question, nobody else's.

While a person has the word the channel is theirs as a whole. It must not decide anything about a message.
"""

from __future__ import annotations

from dataclasses import replace

from bot.agreement.customers import Organisation
from bot.model import Conversation, Mode, TicketState
from bot.storage.store import Session


async def seen_by(session: Session, conversation: Conversation, organisation: Organisation | None) -> Conversation:
    """``conversation`` itself, unless what is going on in it belongs to another customer than ``organisation``."""
    if organisation is None or conversation.mode is Mode.HUMAN:
        return conversation
    current = await session.tickets.get(conversation.ticket) if conversation.ticket is not None else None
    theirs = current.organisation if current is not None else conversation.organisation
    if theirs in (None, organisation.id) and conversation.organisation in (None, organisation.id):
        return conversation
    here = await session.tickets.of_conversation(conversation.id)
    own = next((ticket for ticket in here if ticket.organisation == organisation.id), None)
    return replace(
        conversation,
        organisation=organisation.id,
        ticket=own.number if own is not None else None,
        mode=Mode.WAITING if own is not None and own.state is TicketState.OPEN else Mode.BOT,
        pending=None,
        topic=None,
        misses=0,
        last_text=None,
    )


def rejoined(before: Conversation, after: Conversation) -> Conversation:
    """The conversation once another customer's turn in it is over, which asked nothing: what was going on goes on."""
    if before.pending is None:
        return after
    return replace(before, greeted=after.greeted, closed_until=after.closed_until, version=after.version)
