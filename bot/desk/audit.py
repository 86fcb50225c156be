"""Answers an auditor: who said what to whom about a ticket, when, and on what consent. From rows that are only ever added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.desk.case import TicketError
from bot.desk.talk import BOT
from bot.model import Author, ticket_key
from bot.storage.consents import ConsentRecord
from bot.storage.events import Event
from bot.storage.store import Session

STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Entry:
    """``kind``: message, reply, note, consent, or the kind of the event. ``to`` is empty where nothing was said to anybody.

    ``mark`` says what became of it: edited, replaced, deleted, the state of a sending.
    """

    at: datetime
    kind: str
    who: str
    to: str
    text: str
    mark: str = ""


async def audit(session: Session, number: int) -> tuple[Entry, ...]:
    """All of it in the order of time. Raises TicketError when there is no such ticket."""
    ticket = await session.tickets.get(number)
    if ticket is None:
        raise TicketError(f"There is no ticket {ticket_key(number)}.")
    events = await session.events.of_ticket(number)
    # A ticket that was reopened in another chat has been talked about in both.
    places = dict.fromkeys([*(e.conversation_id for e in events if e.conversation_id), ticket.conversation_id])
    entries: list[Entry] = []
    for conversation_id in places:
        entries += await _messages(session, conversation_id)
        entries += await _replies(session, conversation_id)
    entries += [_event(event) for event in events if event.kind != "turn"]
    for consent in await session.consents.of_ticket(number):
        entries += _consent(consent)
    return tuple(sorted(entries, key=lambda entry: entry.at))


async def _messages(session: Session, conversation_id: str) -> list[Entry]:
    kept = await session.inbox.history(conversation_id)
    edited = {k.received.message.edit_of for k in kept if k.received.message.edit_of}
    found = []
    for each in kept:
        message = each.received.message
        who = f"{message.sender.name} ({message.chat.adapter}:{message.sender.id})"
        mark = ""
        if message.deletion_of:
            mark = f"deletes {message.deletion_of}"
        elif message.edit_of:
            mark = f"edits {message.edit_of}"
        elif each.deleted_at is not None:
            mark = f"deleted {each.deleted_at.isoformat(timespec='seconds')}"
        elif message.message_id in edited:
            mark = "edited later"
        text = " ".join(filter(None, (message.text, f"[{message.action}]" if message.action else "", _files(message))))
        found.append(Entry(each.received.received_at, "message", who, BOT, text, mark))
    return found


def _files(message: Any) -> str:
    return " ".join(f"[{attachment.name}]" for attachment in message.attachments)


async def _replies(session: Session, conversation_id: str) -> list[Entry]:
    events = await session.events.of_conversation(conversation_id)
    staff = {event.correlation: _who(event) for event in events if event.kind == "staff_replied"}
    found = []
    for letter in await session.outbox.of_conversation(conversation_id):
        if letter.text:
            by = staff.get(letter.correlation, BOT) if letter.author is Author.PERSON else BOT
            chat = letter.part.chat
            to = f"{chat.adapter}:{chat.chat_id}" + (f":{chat.thread_id}" if chat.thread_id else "")
            mark = letter.state if letter.error is None or letter.state == "sent" else f"{letter.state}: {letter.error}"
            found.append(Entry(letter.sent_at or letter.created_at, "reply", by, to, letter.text, mark))
    return found


def _event(event: Event) -> Entry:
    data = {key: value for key, value in event.data.items() if key != "name"}
    text = str(data.pop("text", "") or "")
    more = ", ".join(f"{key}: {value}" for key, value in data.items() if value not in (None, "", [], {}))
    kind = "note" if event.kind == "staff_noted" else event.kind
    return Entry(event.at, kind, _who(event), STAFF if kind in ("note", "staff_alert") else "", text, more)


def _who(event: Event) -> str:
    name = event.data.get("name")
    return f"{name} ({event.actor})" if name else event.actor


def _consent(consent: ConsentRecord) -> list[Entry]:
    who = f"{consent.person.name} ({consent.person.id})"
    given = "given" if consent.given else "refused"
    terms = [f"{given} for {consent.purpose}", f"agreement {consent.agreement}"]
    if consent.condition:
        terms.append(f"condition: {consent.condition}")
    asked = Entry(consent.at, "consent", who, BOT, f"{consent.question}\n-> {consent.answer}", ", ".join(terms))
    if consent.withdrawn_at is None:
        return [asked]
    return [
        asked,
        Entry(consent.withdrawn_at, "consent", who, BOT, consent.passed_on, f"withdrawn ({consent.purpose})"),
    ]
