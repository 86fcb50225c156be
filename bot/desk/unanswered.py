"""A question of the bot that will not be answered: the request that it was about goes to a person, with what there is.

In the caller's transaction; it says nothing.
"""

from __future__ import annotations

from datetime import datetime

from bot.catalogue.catalogue import Catalogue
from bot.desk.effects import files, subject
from bot.desk.watch import Watch
from bot.dialogue.asked import about_of
from bot.dialogue.facts import facts
from bot.dialogue.situation import Situation
from bot.model import Conversation, Priority, StaffAlert, Ticket
from bot.storage.store import Session
from bot.storage.tickets import NewTicket


async def hand_over(
    session: Session,
    watch: Watch,
    catalogue: Catalogue,
    conversation: Conversation,
    situation: Situation,
    now: datetime,
    actor: str,
) -> Ticket:
    """A ticket for what is pending in ``conversation``, which the caller then saves."""
    pending = conversation.pending
    assert pending is not None
    about = about_of(pending)
    names = [name for name in pending.data.get("files", "").split("\n") if name]
    topic = catalogue.topics.get(about.topic or "")
    priority = topic.priority if topic else Priority.NORMAL
    ticket = await session.tickets.open(
        NewTicket(
            key=f"{conversation.id}:unanswered:{pending.asked_at.isoformat()}",
            conversation_id=conversation.id,
            reason="no_answer",
            category=about.category,
            topic=about.topic,
            priority=priority,
            subject=subject(about.text),
            facts={"text": about.text, **facts(about.text), **files(names)},
            organisation=conversation.organisation,
            due_at=situation.respond_by(now, priority),
        ),
        now,
    )
    await watch.begin(session, ticket, now, situation.hours(now), catalogue.agreement.attention)
    await session.events.add(
        "ticket_opened",
        actor=actor,
        now=now,
        conversation_id=conversation.id,
        ticket=ticket.number,
        data={"reason": ticket.reason},
    )
    await watch.alert(session, StaffAlert("opened", ticket.number), conversation.id, now)
    return ticket
