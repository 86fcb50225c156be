"""What the bot knows beside the words of a turn: who writes, what their contract says, which tickets and incidents there are.

Frozen values, gathered by the desk before anything is decided. No I/O, and no opinion on what follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from bot.agreement.calendar import Hours
from bot.agreement.customers import Claim, Level, Organisation, Standing
from bot.model import Incident, Priority, Ticket

PATIENCE = timedelta(minutes=30)
"""How long the bot waits for what it has asked before it opens the ticket with what there is."""

REOPEN_WITHIN = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Situation:
    """``standing``: who writes, and how sure that is; ``choices``: the organisations that this person may write for, if it is not
    clear for which. ``claim``: who the text of this turn says its writer is. ``code``: what became of a code in the text.
    ``refused_invitation``: a link was followed that is not valid (any more).

    ``tickets`` are those that this person may be told of, newest first; ``current`` is the newest of this conversation.
    ``usual_hours`` are the helpdesk's own, None: not known. ``can_mail``: a code can be sent. ``consented``: a consent of this
    conversation is in force. ``done`` are the tickets that this person may go on with though they are resolved, newest first, for
    ``reopen_within`` after that.
    """

    standing: Standing = field(default_factory=lambda: Standing(checked=False))
    choices: tuple[Organisation, ...] = ()
    claim: Claim = field(default_factory=Claim)
    code: Literal["right", "wrong"] | None = None
    refused_invitation: bool = False
    tickets: tuple[Ticket, ...] = ()
    current: Ticket | None = None
    incidents: tuple[Incident, ...] = ()
    usual_hours: Hours | None = None
    can_mail: bool = False
    consented: bool = False
    patience: timedelta = PATIENCE
    done: tuple[Ticket, ...] = ()
    reopen_within: timedelta = REOPEN_WITHIN

    def reopens(self, ticket: Ticket, now: datetime) -> bool:
        """Whether what is said about ``ticket`` opens it again, rather than another one."""
        return now - (ticket.resolved_at or ticket.created_at) <= self.reopen_within

    @property
    def organisation(self) -> Organisation | None:
        return self.standing.organisation

    @property
    def proven(self) -> bool:
        return self.standing.level is Level.PROVEN

    def hours(self, now: datetime) -> Hours | None:
        """Those of the customer's contract, else the helpdesk's own."""
        contract = self.organisation.contract(now) if self.organisation else None
        return (contract.hours if contract else None) or self.usual_hours

    def reads_from(self, now: datetime) -> datetime | None:
        """When somebody reads again, while nobody does; None while somebody does, or where the hours are not known."""
        hours = self.hours(now)
        if hours is None or hours.is_open(now):
            return None
        opening = hours.next_opening(now)
        return hours.local(opening) if opening else None

    def respond_by(self, now: datetime, priority: Priority) -> datetime | None:
        """Until when the contract promises a first response to what is told now; None without such a promise."""
        contract = self.organisation.contract(now) if self.organisation else None
        hours, work = self.hours(now), contract.response(priority) if contract else None
        if hours is None or work is None:
            return None
        due = hours.after(now, work)
        return hours.local(due) if due else None
