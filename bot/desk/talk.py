"""What was said in a talk, by whom, and what became of it: from inbox, outbox and notes, in the order of time.

It reads in the caller's transaction and leaves nothing out: what was edited, deleted, taken back or not delivered is marked.
"""

from __future__ import annotations

from bot.desk.summary import Said, Speaker
from bot.model import Author, Conversation, ticket_key
from bot.storage.events import Event
from bot.storage.inbox import Kept
from bot.storage.outbox import Letter
from bot.storage.store import Session

BOT = "Firstline"

_UNSENT = {"dropped": "dropped", "dead": "failed", "uncertain": "uncertain", "pending": "pending", "sending": "pending"}


async def talk_of(session: Session, conversation: Conversation, newest: int | None = None) -> tuple[Said, ...]:
    """All of it, or about the ``newest`` so many of each kind, which costs the same however long the talk is."""
    kept = await session.inbox.history(conversation.id, newest)
    letters = await session.outbox.of_conversation(conversation.id, newest)
    events = await session.events.of_conversation(conversation.id, ("staff_replied", "staff_noted"), newest)
    staff = {e.correlation: e for e in events if e.kind == "staff_replied" and e.correlation is not None}
    edited = {k.received.message.edit_of for k in kept if k.received.message.edit_of}
    said = [_incoming(k, edited) for k in kept if k.received.message.deletion_of is None]
    said += [_outgoing(letter, staff) for letter in letters if letter.text and letter.part.chat == conversation.chat]
    said += [_there(e) for e in events if e.kind == "staff_replied" and e.data.get("said_there")]
    said += [_note(e) for e in events if e.kind == "staff_noted"]
    return tuple(sorted(said, key=lambda line: line.at))


def _incoming(kept: Kept, edited: set[str]) -> Said:
    message = kept.received.message
    # An invitation is a secret of whoever was invited, and says nothing.
    text = "" if message.invitation else message.text or (f"[{message.action}]" if message.action else "")
    files = ", ".join(attachment.name for attachment in message.attachments)
    mark = None
    if kept.deleted_at is not None:
        mark = "deleted"
    elif message.edit_of:
        mark = "edited"
    elif message.message_id in edited:
        mark = "replaced"
    elif kept.state in ("dead", "dropped"):
        mark = "failed"
    shown = " ".join(filter(None, (text, f"[{files}]" if files else "")))
    return Said(kept.received.received_at, "customer", message.sender.name, shown, mark)


def _outgoing(letter: Letter, staff: dict[str, Event]) -> Said:
    by = staff.get(letter.correlation)
    speaker: Speaker = "staff" if letter.author is Author.PERSON else "bot"
    name = str(by.data.get("name", "")) if by is not None and letter.author is Author.PERSON else BOT
    undone = letter.state == "dropped" and (letter.error or "").startswith("taken back")
    mark = None if letter.state == "sent" else "undone" if undone else _UNSENT.get(letter.state, letter.state)
    return Said(letter.sent_at or letter.created_at, speaker, name, letter.text, mark)


def _there(event: Event) -> Said:
    return Said(event.at, "staff", str(event.data.get("name", "")), str(event.data.get("text", "")))


def _note(event: Event) -> Said:
    ticket = f" ({ticket_key(event.ticket)})" if event.ticket is not None else ""
    return Said(event.at, "note", f"{event.data.get('name', '')}{ticket}", str(event.data.get("text", "")))
