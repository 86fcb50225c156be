"""What has happened about a ticket in words for staff, one happening after the other. Pure.

Customers' words are quoted to the letter. It must not know how anything is shown, nor read the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.desk.cards import alert_text
from bot.desk.summary import Said
from bot.dialogue.voice import Voice, cited, quoted
from bot.model import StaffAlert
from bot.storage.events import Event
from bot.storage.inbox import Received

LONGEST_TALK = 3000
"""Characters of the talk before a ticket was opened that are shown in its thread; the newest of it."""

SERVICE = {
    "ticket_taken": "taken",
    "ticket_assigned": "assigned",
    "handed_back": "handed_back",
    "ticket_resolved": "resolved",
    "ticket_reopened": "reopened",
    "ticket_offered": "offered",
    "ticket_settled": "settled",
    "ticket_merged": "merged",
    "consent_given": "consent_given",
    "consent_refused": "consent_refused",
    "consent_withdrawn": "consent_withdrawn",
    "forwarded": "forwarded",
}
"""Kinds of events that are told in a sentence of their own, below ``room`` in the texts."""

SILENT_ALERTS = frozenset({"opened", "customer_wrote", "offered", "reopened", "cancelled", "consent_withdrawn"})
"""Alerts that say nothing new in a thread in which everything that happens is told anyway."""


@dataclass(frozen=True, slots=True)
class Told:
    """Markdown. ``names`` are the ids of those whom it concerns."""

    text: str
    names: tuple[str, ...] = ()


def so_far(talk: Sequence[Said], voice: Voice) -> str:
    """The talk before there was a ticket, the newest of it."""
    lines: list[str] = []
    size = 0
    for said in reversed(talk):
        if said.speaker == "note" or not said.text.strip():
            continue
        # What is still on its way arrives before anybody reads this, or it is told that it has not.
        mark = f" ({voice.text(f'said_mark.{said.mark}')})" if said.mark and said.mark != "pending" else ""
        words = cited(said.text) if said.speaker == "bot" else quoted(said.text)
        line = f"{voice.text('room.by', name=said.name)}{mark}\n\n{words}"
        size += len(line)
        if size > LONGEST_TALK and lines:
            lines.append("…")
            break
        lines.append(line if len(line) <= LONGEST_TALK else line[:LONGEST_TALK] + "…")
    return "\n\n".join([voice.text("room.so_far"), *reversed(lines)]) if lines else ""


def wrote(received: Received, before: str | None, voice: Voice) -> str:
    """What a customer has written, changed or taken away; ``before`` is how the message read until then."""
    message, name = received.message, received.message.sender.name
    if message.deletion_of is not None:
        return f"{voice.text('room.deleted', name=name)}\n\n{quoted(before or '…')}"
    if message.edit_of is not None:
        changed = f"{voice.text('room.edited', name=name)}\n\n{quoted(message.text or '…')}"
        return f"{changed}\n\n{voice.text('room.edited_before')}\n\n{quoted(before)}" if before else changed
    text = "" if message.invitation else message.text or (f"[{message.action}]" if message.action else "")
    return f"{voice.text('room.customer', name=name)}\n\n{quoted(text)}" if text.strip() else ""


def answered(text: str, voice: Voice) -> str:
    return f"{voice.text('room.bot')}\n\n{cited(text)}"


def taken(event: Event, unsaid: str, voice: Voice) -> Told | None:
    """``unsaid``: what the bot was about to say, some of which staff may have read as said."""
    told = happened(event, voice)
    if told is None or not unsaid:
        return told
    return Told(f"{told.text}\n\n{voice.text('room.unsaid')}\n\n{cited(unsaid)}", told.names)


def happened(event: Event, voice: Voice) -> Told | None:
    """An event in words; None for those that say nothing to staff, or are told by the message that caused them."""
    data, name = event.data, str(event.data.get("name", ""))
    match event.kind:
        case "ticket_closed":
            how = data.get("how", "staff")
            return Told(voice.text(f"room.closed_{how}", staff=name))
        case "ticket_prioritised":
            return Told(
                voice.text(
                    "room.prioritised", staff=name, priority=voice.text(f"priority.{data.get('after', 'normal')}")
                )
            )
        case "priority_raised":
            return Told(voice.text("room.priority_raised"))
        case "ticket_corrected":
            after = data.get("after") or {}
            category = voice.text(f"category.{after.get('category')}")
            return Told(voice.text("room.corrected", staff=name, category=category))
        case "ticket_progress" if data.get("text"):
            return Told(f"{voice.text('room.progress', staff=name)}\n\n{quoted(str(data['text']))}")
        case "ticket_linked":
            return Told(voice.text("room.linked", staff=name, other=str(data.get("follows", ""))))
        case "ticket_rated":
            said = voice.text("room.rated", rating=str(data.get("rating", "")))
            return Told(f"{said}\n\n{quoted(str(data['words']))}" if data.get("words") else said)
        case "staff_undone":
            return Told(f"{voice.text('room.undone', staff=name)}\n\n{quoted(str(data.get('text') or '…'))}")
        case "ticket_merged" if "part" in data:
            return Told(voice.text("room.merged_part", staff=name, part=str(data["part"])))
        case "staff_alert":
            return _alert(event, voice)
        case kind if kind in SERVICE:
            values = {"staff": name, "to": str(data.get("to_name") or data.get("into") or data.get("recipient") or "")}
            said = voice.text(f"room.{SERVICE[kind]}", **values)
            words = data.get("condition") or data.get("answer") or data.get("text")
            return Told(f"{said}\n\n{quoted(str(words))}" if words and kind.startswith("consent") else said)
    return None


def replied(event: Event, voice: Voice) -> Told:
    """What somebody of staff has said to the customer from elsewhere."""
    key = "room.said_there" if event.data.get("said_there") else "room.staff"
    text = str(event.data.get("text") or event.data.get("files") or "…")
    return Told(f"{voice.text(key, staff=str(event.data.get('name', '')))}\n\n{quoted(text)}")


def noted(event: Event, voice: Voice) -> Told:
    text = str(event.data.get("text") or event.data.get("files") or "…")
    return Told(f"{voice.text('room.note', staff=str(event.data.get('name', '')))}\n\n{quoted(text)}")


def undelivered(kind: str, text: str, author: str | None, voice: Voice) -> Told:
    """A send that came to nothing, as loud as a chat can be. ``author`` is the id of whoever of staff had said it."""
    return Told(f"{voice.text(f'room.{kind}')}\n\n{quoted(text or '…')}", (author,) if author else ())


def alert_of(event: Event) -> StaffAlert:
    data = event.data
    return StaffAlert(
        str(data["key"]), event.ticket or 0, int(data["step"]), tuple(data.get("to", ())), str(data.get("text") or "")
    )


def _alert(event: Event, voice: Voice) -> Told | None:
    alert = alert_of(event)
    if alert.key in SILENT_ALERTS:
        return None
    return Told(alert_text(alert, voice.catalogue, voice.language), alert.to)
