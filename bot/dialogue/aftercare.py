"""What customers say once a ticket was resolved: that it is solved, that it is not, that it is back, how content they are. Pure.

A ticket is closed only upon a plain yes. It must not know who resolved it, nor how it is reopened.
"""

from __future__ import annotations

import re
from dataclasses import replace

from bot.dialogue import actions
from bot.dialogue.assent import assent
from bot.dialogue.cues import helped, not_helped, only_a_ticket, settled
from bot.dialogue.decisions import (
    About,
    Answer,
    ClarifyDetails,
    ClarifyTopic,
    Confirm,
    Decision,
    Decline,
    Exclude,
    Ignore,
    OpenTicket,
    Rate,
    Reopen,
    SmallTalk,
    TicketStatus,
)
from bot.dialogue.facts import ticket_numbers
from bot.dialogue.matters import on_prediction
from bot.dialogue.rules import TICKET_STATUS, Case
from bot.model import Category, Mode, Pending, Ticket

SOLVED, RATING = "solved", "rating"
"""The kinds of questions: whether it is solved, and how content the customer is."""

_LONGEST_YES = 6
_SURE = 0.8
_PLEA = re.compile(r"\b(?:bitte|please|aber|but|nicht|not|noch|still)\b", re.IGNORECASE)
_BACK = re.compile(
    r"\b(?:wieder|erneut|immer noch|noch immer|doch nicht|weiterhin|"
    r"again|still|back|after all|(?:not|n't|never) (?:really )?(?:solved|resolved|fixed)|"
    r"nicht (?:wirklich )?(?:gelöst|behoben|erledigt))\b",
    re.IGNORECASE,
)
_MARK = re.compile(
    r"^\W*(?:note|rating|bewertung)?\W*([1-5])\s*"
    r"(?P<rest>$|(?:[,.;:!)/-]|sterne?\b|stars?\b|punkte?\b|points?\b|von\b|out of\b).*)",
    re.IGNORECASE | re.DOTALL,
)
_SCALE = re.compile(
    r"^(?:\s*(?:/|von|out of)\s*5\b|\s*(?:sterne?|stars?|punkte?|points?)\b)?[\s,.;:!)/-]*", re.IGNORECASE
)


def pressed(action: str, case: Case) -> Decision | None:
    """What one of the buttons below a resolved ticket asks for; None for any other button."""
    for key in (actions.SOLVED, actions.UNSOLVED, actions.RATE):
        if not action.startswith(key):
            continue
        number, _, mark = action.removeprefix(key).partition(":")
        ticket = _done(int(number), case) if number.isdecimal() else None
        if ticket is None:
            return Ignore(About(text=action))
        about = About(text=ticket.subject, category=Category.SMALL_TALK)
        if key == actions.SOLVED:
            return Confirm(about, ticket.number)
        if key == actions.UNSOLVED:
            return _again(About(ticket.subject, ticket.category, ticket.topic, 1.0), ticket, case)
        return Rate(about, ticket.number, int(mark)) if mark in "12345" and mark else Ignore(about)
    return None


def said(pending: Pending, case: Case) -> tuple[tuple[Decision, ...], bool]:
    """What a text says while one of the two questions is open, and whether the question stays open."""
    ticket = _done(int(pending.data.get("ticket", "0")), case)
    alone = on_prediction(case.turn.prediction, case.catalogue)
    if ticket is None:
        return alone, False
    text, about = case.turn.text, About(case.turn.text, Category.SMALL_TALK)
    if pending.kind == RATING:
        return _rated(ticket, alone, case)
    reply = assent(text)
    if not_helped(text) or (reply is not None and not reply.yes):
        return (_again(replace(alone[0].about, text=text), ticket, case),), False
    short = len(text.split()) <= _LONGEST_YES and not _PLEA.search(text)
    if (reply is not None and reply.yes and short) or helped(text) or settled(text):
        return (Confirm(about, ticket.number),), False
    return alone, True


def _rated(ticket: Ticket, alone: tuple[Decision, ...], case: Case) -> tuple[tuple[Decision, ...], bool]:
    text, about = case.turn.text.strip(), About(case.turn.text, Category.SMALL_TALK)
    matters = any(isinstance(d, OpenTicket | Exclude | Answer) and d.about.confidence >= _SURE for d in alone)
    if (mark := _MARK.match(text)) and (not mark["rest"].strip(" .!") or not matters):
        return (Rate(about, ticket.number, int(mark[1]), _SCALE.sub("", mark["rest"], count=1).strip()),), False
    if ticket.rating is not None and all(isinstance(d, SmallTalk | Decline) for d in alone):
        return (Rate(about, ticket.number, ticket.rating, text),), False
    return alone, False


def returned(decisions: tuple[Decision, ...], case: Case) -> tuple[Decision, ...]:
    """What goes on with a ticket that was resolved: within the term it is reopened, later the new ticket follows the old."""
    if case.turn.action is not None or case.turn.deleted or not case.turn.text.strip():
        return decisions
    named = _named(decisions, case)
    back = _BACK.search(case.turn.text) is not None or not_helped(case.turn.text)
    ticket = named or (case.situation.done[0] if case.situation.done else None)
    if ticket is None or any(isinstance(d, Reopen | Confirm | Rate) for d in decisions):
        return decisions
    goes_on = [d for d in decisions if _goes_on(d, ticket, case, named=named is not None, back=back)]
    if not goes_on:
        return decisions
    again = _again(replace(goes_on[0].about, text=case.turn.text), ticket, case, goes_on[0])
    kept = tuple(d for d in decisions if d not in goes_on and not isinstance(d, SmallTalk | Decline))
    return (again, *kept)


def _goes_on(decision: Decision, ticket: Ticket, case: Case, *, named: bool, back: bool) -> bool:
    """Whether a decision is about ``ticket``, rather than about something new."""
    unclear = isinstance(decision, ClarifyDetails | ClarifyTopic)
    wanted = isinstance(decision, OpenTicket) and decision.consent is None and decision.reason != "contested"
    if named:
        status = isinstance(decision, TicketStatus) or decision.about.topic == TICKET_STATUS
        if back:
            return unclear or wanted or status or isinstance(decision, SmallTalk | Decline)
        return wanted or (unclear and not only_a_ticket(case.turn.text))
    if case.conversation.mode is not Mode.BOT or not (unclear or wanted):
        return False
    same = decision.about.topic is not None and decision.about.topic == ticket.topic
    pending = case.conversation.pending
    if pending is not None and pending.kind == SOLVED:
        return unclear or same or back
    return back and (same or unclear) and pending is None


def _again(about: About, ticket: Ticket, case: Case, instead: Decision | None = None) -> Decision:
    if case.situation.reopens(ticket, case.turn.now):
        return Reopen(about, ticket)
    if isinstance(instead, OpenTicket):
        return replace(instead, follows=ticket.number)
    return OpenTicket(about, "again", ticket.priority, follows=ticket.number)


def _named(decisions: tuple[Decision, ...], case: Case) -> Ticket | None:
    words = "\n".join([case.turn.text, *(d.about.text for d in decisions)])
    return next((t for n in ticket_numbers(words) if (t := _done(n, case)) is not None), None)


def _done(number: int, case: Case) -> Ticket | None:
    return next((ticket for ticket in case.situation.done if ticket.number == number), None)
