"""Gathers what a decision rests on besides the words: who writes, which tickets and incidents there are, whether somebody reads.

It reads in the caller's transaction, decides nothing, and shows nobody's tickets to anybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from bot.agreement.agreement import Agreement
from bot.agreement.customers import Claim, Level, Organisation, Standing, claimed
from bot.catalogue.catalogue import Catalogue
from bot.desk.speaker import seen_by
from bot.dialogue import actions
from bot.dialogue.facts import ticket_numbers
from bot.dialogue.situation import PATIENCE, REOPEN_WITHIN, Situation
from bot.model import Conversation, InboundMessage, Incident, Ticket
from bot.storage.inbox import Received
from bot.storage.store import Session

Identify = Literal["auto", "always", "never"]
"""Whether customers are asked who they are: only if some are on file, in any case, or not at all."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is read along with a conversation, whoever writes there; ``asked``: customers are on file."""

    asked: bool
    here: tuple[Ticket, ...]
    done: tuple[Ticket, ...]
    incidents: tuple[Incident, ...]
    consented: bool


async def look(session: Session, conversation_id: str) -> tuple[tuple[Received, ...], Conversation | None, Around]:
    """What is still to be handled in a conversation, oldest first, and what there is around it."""
    waiting, conversation, asked, here, done, incidents, consented = await session.ask(
        session.inbox.opened(conversation_id),
        session.conversations.known(conversation_id),
        session.customers.on_file(),
        session.tickets.newest_in(conversation_id),
        session.tickets.newest_done_in(conversation_id),
        session.incidents.lasting(),
        session.consents.in_force(conversation_id),
    )
    return waiting, conversation, Around(asked, here, done, incidents, consented)


@dataclass(frozen=True, slots=True)
class Seen:
    """The conversation as far as it concerns whoever has written, and for whom they may have; ``asked``: customers are on file."""

    conversation: Conversation
    asked: bool
    standings: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True)
class Gathering:
    identify: Identify = "auto"
    patience: timedelta = PATIENCE
    reopen_within: timedelta = REOPEN_WITHIN

    async def seen(self, session: Session, conversation: Conversation, message: InboundMessage, around: Around) -> Seen:
        """The conversation and whoever sent ``message``."""
        if not around.asked:
            return Seen(conversation, asked=False)
        standings = await session.customers.standings(message.chat, message.sender.id)
        standing, _ = _chosen(conversation, standings, checked=True)
        return Seen(await seen_by(session, conversation, standing.organisation), asked=True, standings=standings)

    async def __call__(
        self,
        session: Session,
        seen: Seen,
        message: InboundMessage,
        text: str,
        around: Around,
        agreement: Agreement,
        code: Literal["right", "wrong"] | None = None,
        *,
        now: datetime,
    ) -> Situation:
        """How things stand for whoever sent ``message``.

        ``text`` is what is said in this turn, ``code`` what a code in it proved.
        """
        conversation = seen.conversation
        checked = self.identify == "always" or (self.identify == "auto" and seen.asked)
        standings = seen.standings if checked else ()
        standing, choices = _chosen(conversation, standings, checked=checked)
        if message.invitation is not None and (proven := [s for s in standings if s.level is Level.PROVEN]):
            standing, choices = proven[0], ()
        pending = conversation.pending
        asked = pending is not None and pending.kind in ("identity", "code")
        said = f"{pending.data.get('said', '')}\n{text}" if pending is not None else text
        numbers = ticket_numbers(f"{pending.text if pending is not None else ''}\n{text}")
        here, done_here = around.here, around.done
        if numbers:
            here = await session.tickets.of_conversation(conversation.id, numbers)
        if named := (*numbers, *_pressed(message)):
            done_here = await session.tickets.done_in(conversation.id, named)
        tickets = await _tickets(session, here, standing, message, numbers)
        return Situation(
            standing=standing,
            choices=choices,
            claim=claimed(said, await session.customers.organisations()) if standing.must_ask or asked else Claim(),
            code=code,
            refused_invitation=message.invitation is not None and standing.level is not Level.PROVEN,
            tickets=tickets,
            done=await _done(session, done_here, standing, message, tickets, now),
            reopen_within=self.reopen_within,
            current=await _current(session, conversation, around.here),
            incidents=around.incidents,
            usual_hours=agreement.hours,
            consented=around.consented,
            patience=self.patience,
        )


def _chosen(
    conversation: Conversation, standings: Sequence[Standing], *, checked: bool
) -> tuple[Standing, tuple[Organisation, ...]]:
    """For which organisation somebody writes: the one they wrote for before, else the only one, else they must say."""
    known = [standing for standing in standings if standing.organisation is not None]
    for standing in known:
        if standing.organisation is not None and standing.organisation.id == conversation.organisation:
            return standing, ()
    if len(known) == 1:
        return known[0], ()
    return Standing(checked=checked), tuple(s.organisation for s in known if s.organisation is not None)


async def _current(session: Session, conversation: Conversation, here: Sequence[Ticket]) -> Ticket | None:
    if conversation.ticket is None:
        return None
    found = next((ticket for ticket in here if ticket.number == conversation.ticket), None)
    return found or await session.tickets.get(conversation.ticket)


async def _tickets(
    session: Session,
    here: Sequence[Ticket],
    standing: Standing,
    message: InboundMessage,
    numbers: Sequence[int],
) -> tuple[Ticket, ...]:
    """Those of one's own organisation for whoever has proven to belong to it, else those that were opened right here."""
    organisation = standing.organisation
    found = {ticket.number: ticket for ticket in here if _own(ticket, standing, message)}
    if organisation is None:
        return tuple(found.values())
    if standing.level is Level.PROVEN:
        theirs = await session.tickets.of_organisation(organisation.id, numbers)
        found |= {ticket.number: ticket for ticket in theirs}
    return tuple(found[number] for number in sorted(found, reverse=True))


async def _done(
    session: Session,
    here: Sequence[Ticket],
    standing: Standing,
    message: InboundMessage,
    tickets: Sequence[Ticket],
    now: datetime,
) -> tuple[Ticket, ...]:
    """The resolved and closed ones that may be gone on with; without the name of a colleague who is not there now."""
    found = {ticket.number: ticket for ticket in here if _own(ticket, standing, message)}
    found |= {t.number: t for t in tickets if not t.open and t.merged_into is None}
    return tuple([await _with_somebody_there(session, found[n], now) for n in sorted(found, reverse=True)])


async def _with_somebody_there(session: Session, ticket: Ticket, now: datetime) -> Ticket:
    member = await session.staff.get(ticket.assignee_id) if ticket.assignee_id is not None else None
    there = member is None or member.here(now)
    return ticket if there else replace(ticket, assignee=None, assignee_id=None)


def _own(ticket: Ticket, standing: Standing, message: InboundMessage) -> bool:
    """In a channel of several customers each one is shown their own."""
    if ticket.organisation is None or ticket.person == message.sender.id:
        return True
    return standing.organisation is not None and ticket.organisation == standing.organisation.id


def _pressed(message: InboundMessage) -> tuple[int, ...]:
    """The number of the ticket that a pressed button belongs to."""
    for key in (actions.SOLVED, actions.UNSOLVED, actions.RATE):
        number = (message.action or "").removeprefix(key).partition(":")[0]
        if (message.action or "").startswith(key) and number.isdecimal():
            return (int(number[:12]),)
    return ()


async def at_rest(session: Session, conversation: Conversation, catalogue: Catalogue) -> Situation:
    """How things stand while nobody writes: the contract of the organisation that is spoken with, and the usual hours."""
    organisation = (
        await session.customers.get(conversation.organisation) if conversation.organisation is not None else None
    )
    return Situation(standing=Standing(checked=False, organisation=organisation), usual_hours=catalogue.agreement.hours)
