"""Cards: what a surface shows of a ticket, as data in words; for staff and for customers, each in their own language. Pure.

A card for customers is made from what they may read alone. It must not know how a card is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from bot.catalogue.catalogue import Catalogue
from bot.desk.summary import summary
from bot.desk.view import View
from bot.dialogue import actions
from bot.dialogue.voice import Voice, quoted, unmarked
from bot.model import Button, Card, Field, Language, StaffAlert, Ticket, TicketState, ticket_key
from bot.storage.attachments import STORED, Filed

TAKE, HAND_BACK, RESOLVE, REOPEN, UNDO, MENU = "take", "hand_back", "resolve", "reopen", "undo", "menu"
"""What the buttons of a card for staff do; their actions are ``staff:<one of these>:<number of the ticket>``."""

STAFF_ACTIONS = "staff:"
"""How the key of every button begins that only staff are shown."""

_BUTTONS = {
    TicketState.OPEN: (TAKE, RESOLVE, MENU),
    TicketState.TAKEN: (HAND_BACK, RESOLVE, UNDO, MENU),
    TicketState.WAITING_FOR_CUSTOMER: (HAND_BACK, RESOLVE, UNDO, MENU),
    TicketState.RESOLVED: (REOPEN,),
    TicketState.CLOSED: (REOPEN,),
}


def staff_action(what: str, number: int) -> str:
    return f"{STAFF_ACTIONS}{what}:{number}"


def staff_card(view: View, catalogue: Catalogue, language: Language) -> Card:
    ticket, voice = view.ticket, Voice(catalogue, language, view.ticket.key)
    buttons = () if ticket.merged_into is not None else _BUTTONS[ticket.state]
    return Card(
        audience="staff",
        ticket=ticket.number,
        title=f"{ticket.key} · {ticket.subject}",
        fields=tuple(Field(plain(voice, f"card.{key}"), value) for key, value in _staff_fields(view, voice) if value),
        body=summary(ticket, view.talk, catalogue, language),
        buttons=tuple(Button(plain(voice, f"card.do.{what}"), staff_action(what, ticket.number)) for what in buttons),
    )


def customer_card(ticket: Ticket, catalogue: Catalogue, language: Language) -> Card:
    """How the ticket stands, for its customer: number, subject, state, what staff have put into words; never more."""
    voice = Voice(catalogue, language, ticket.key)
    if ticket.progress:
        state = ticket.progress
    elif ticket.owner is not None and ticket.state is TicketState.TAKEN:
        state = plain(voice, "status.taken_by", staff=ticket.owner.name)
    else:
        state = plain(voice, f"status.{ticket.state.value}")
    buttons: tuple[Button, ...] = ()
    if ticket.state is TicketState.RESOLVED:
        buttons = (
            Button(plain(voice, "button.solved"), actions.solved(ticket.number)),
            Button(plain(voice, "button.unsolved"), actions.unsolved(ticket.number)),
        )
    fields = (
        Field(plain(voice, "card.state"), state),
        Field(plain(voice, "card.opened"), voice.moment(ticket.created_at)),
    )
    return Card("customer", ticket.number, f"{ticket.key} · {ticket.subject}", fields, buttons=buttons)


def customer_cards(tickets: Sequence[Ticket], catalogue: Catalogue, language: Language) -> tuple[Card, ...]:
    """My tickets: the open ones first, the newest first."""
    ordered = sorted(tickets, key=lambda ticket: (not ticket.open, -ticket.number))
    return tuple(customer_card(ticket, catalogue, language) for ticket in ordered)


def alert_text(alert: StaffAlert, catalogue: Catalogue, language: Language) -> str:
    """What staff read of an alert, in Markdown."""
    key = f"alert.{alert.key}_{alert.step}" if alert.key == "not_taken" else f"alert.{alert.key}"
    said = Voice(catalogue, language, ticket_key(alert.ticket)).text(key)
    return f"{said}\n\n{quoted(alert.text)}" if alert.text else said


def plain(voice: Voice, key: str, **values: str) -> str:
    """A text without Markdown's signs: labels and values are no Markdown."""
    return unmarked(voice.text(key, **values))


def _staff_fields(view: View, voice: Voice) -> Iterator[tuple[str, str]]:
    ticket, organisation = view.ticket, view.organisation
    yield "state", plain(voice, f"state.{ticket.state.value}")
    yield "priority", plain(voice, f"priority.{ticket.priority.value}")
    yield "owner", ticket.assignee or plain(voice, "card.nobody")
    if organisation is not None:
        level = plain(voice, f"level.{ticket.level}") if ticket.level else ""
        yield "customer", " · ".join(filter(None, (organisation.name, organisation.number, level)))
        yield "contract", view.contract.number if view.contract else plain(voice, "card.no_contract")
    if ticket.due_at is not None:
        yield "due", voice.moment(_local(view, voice, ticket.due_at))
    yield "reason", plain(voice, f"reason.{ticket.reason}")
    if view.understood is not None and view.understood.get("category"):
        topic = voice.catalogue.topics.get(str(view.understood.get("topic")))
        sure = f"{round(100 * float(view.understood['confidence']))} %"
        title = topic.title[voice.language] if topic is not None else ""
        category = plain(voice, f"category.{view.understood['category']}")
        yield "understood", " · ".join(filter(None, (category, title, sure)))
    if ticket.category is not None and ticket.category.value != (view.understood or {}).get("category"):
        yield "category", plain(voice, f"category.{ticket.category.value}")
    yield "files", ", ".join(_marked(filed, voice) for filed in view.files)
    given = [consent for consent in view.consents if consent.given and consent.withdrawn_at is None]
    yield (
        "consent",
        "; ".join(
            f"{plain(voice, f'card.consent_to.{consent.purpose}')}: {consent.condition or consent.answer}"
            for consent in given
        ),
    )
    yield "progress", ticket.progress or ""
    if ticket.follows is not None:
        yield "follows", ticket_key(ticket.follows)
    if ticket.merged_into is not None:
        yield "merged", ticket_key(ticket.merged_into)
    if ticket.rating is not None:
        yield "rating", " · ".join(filter(None, (f"{ticket.rating}/5", ticket.rating_words or "")))
    yield "opened", voice.moment(_local(view, voice, ticket.created_at))


def _marked(filed: Filed, voice: Voice) -> str:
    """The file's name and number, with what has to be known before anybody touches it."""
    marks = [filed.danger, "released" if filed.danger and not filed.held else None]
    found = marks if filed.state == STORED else [filed.state]
    words = [plain(voice, f"file_mark.{each}") for each in found if each]
    return f"{filed.name} [{filed.id}]" + (f" ({', '.join(words)})" if words else "")


def _local(view: View, voice: Voice, time: datetime) -> datetime:
    """In the zone of the contract's service hours, else of everybody's."""
    hours = (view.contract.hours if view.contract else None) or voice.catalogue.agreement.hours
    return hours.local(time) if hours is not None else time
