"""Everything that is known of a ticket, gathered in one read transaction, for cards, the command line and exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.agreement.customers import Contract, Organisation
from bot.desk.case import TicketError
from bot.desk.summary import Said
from bot.desk.talk import talk_of
from bot.model import Conversation, Ticket, ticket_key
from bot.storage.attachments import Filed
from bot.storage.consents import ConsentRecord
from bot.storage.events import Event
from bot.storage.store import Session


@dataclass(frozen=True, slots=True)
class View:
    """``understood`` is the decision that the ticket came from, as the turn's event has it; None where a person opened it.

    ``opening`` are the events of how it came about.
    """

    ticket: Ticket
    conversation: Conversation
    organisation: Organisation | None
    contract: Contract | None
    talk: tuple[Said, ...]
    understood: Mapping[str, Any] | None
    consents: tuple[ConsentRecord, ...]
    opening: tuple[Event, ...]
    files: tuple[Filed, ...] = ()


async def view_of(session: Session, number: int, now: datetime, *, newest: int | None = None) -> View:
    """``newest``: of the talk only so much. Raises TicketError when there is no such ticket."""
    ticket = await session.tickets.get(number)
    if ticket is None:
        raise TicketError(f"There is no ticket {ticket_key(number)}.")
    conversation = await session.conversations.get(ticket.conversation_id)
    organisation = await session.customers.get(ticket.organisation) if ticket.organisation is not None else None
    opening = await session.events.opening(number)
    return View(
        ticket=ticket,
        conversation=conversation,
        organisation=organisation,
        contract=organisation.contract(now) if organisation is not None else None,
        talk=await talk_of(session, conversation, newest),
        understood=_understood(opening),
        consents=await session.consents.of_ticket(number),
        opening=opening,
        files=await session.attachments.of_ticket(number),
    )


def _understood(events: tuple[Event, ...]) -> Mapping[str, Any] | None:
    opened = next((e for e in events if e.kind == "ticket_opened" and e.correlation is not None), None)
    if opened is None:
        return None
    turn = next((e for e in events if e.kind == "turn" and e.correlation == opened.correlation), None)
    decisions = turn.data.get("decisions", []) if turn is not None else []
    return next((d for d in decisions if d["kind"] in ("open_ticket", "hand_off", "exclude")), None)
