"""From a payload of Slack's Events API or interactivity to an inbound message. Pure.

It must not know how payloads arrive or are acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any

from adapters.invitations import invitation
from bot.model import Attachment, ChatRef, InboundMessage, Person

Fields = Mapping[str, Any]

# What people write. Everything else with a subtype (joined, renamed, pinned, deleted …) is Slack speaking.
_WRITTEN = (None, "file_share", "me_message", "thread_broadcast")


class UnreadableError(ValueError):
    """The payload does not look as Slack describes it."""


@dataclass(frozen=True, slots=True)
class Me:
    """The app itself, as auth.test describes it: the workspace that it is installed in, and its bot user."""

    team: str
    user: str


def to_inbound(payload: Fields, me: Me) -> InboundMessage | None:
    """The message in a payload; None when it is not for the bot. Raises UnreadableError."""
    try:
        match payload:
            case {"type": "event_callback", "event": {"type": "message" | "app_mention"} as event, **envelope}:
                return _event(event, str(envelope.get("event_id", "")), me)
            case {"type": "event_callback", "event": {"type": str()}}:
                return None
            case {"type": "block_actions"}:
                return _press(payload, me)
            case {"type": str(kind)} if kind != "event_callback":
                return None
            case {"command": str()}:
                return None
            case _:
                raise UnreadableError("neither an event nor an interaction")
    except (OverflowError, OSError) as error:
        raise UnreadableError("its time is none") from error


def _event(event: Fields, delivery_id: str, me: Me) -> InboundMessage | None:
    match event:
        case {"subtype": "message_changed", "message": {} as message, "channel": str(channel)}:
            if not isinstance(message.get("edited"), Mapping):
                return None  # only Slack has changed it, to show a preview of a link
        case {"subtype": "message_changed"} | {"channel": None}:
            raise UnreadableError("message or channel is missing")
        case {"channel": str(channel)}:
            message = event
        case _:
            raise UnreadableError("channel is missing")
    if message.get("subtype") not in _WRITTEN or message.get("bot_id") or message.get("hidden"):
        return None
    match message:
        case {"user": str(user), "ts": str(ts)}:
            pass
        case {"user": _} | {"ts": _}:
            raise UnreadableError("user or ts is missing")
        case _:
            return None
    direct = event.get("channel_type") == "im" or channel.startswith("D")
    text = _text(message)
    if user in {me.user, "USLACKBOT"} or not (direct or _mentions(text, me)):
        return None
    edited = _edited(message)
    thread = message.get("thread_ts")
    said = plain(text, me)
    return InboundMessage(
        # In a channel every mention opens a thread of its own, or several people would share one conversation.
        chat=ChatRef("slack", f"{me.team}:{channel}", thread if isinstance(thread, str) else None if direct else ts),
        message_id=ts if edited is None else f"{ts}@{edited}",
        delivery_id=delivery_id,
        sender=_person(user, message, me),
        text=said,
        sent_at=_time(edited or ts),
        attachments=_files(message),
        edit_of=None if edited is None else ts,
        invitation=invitation(said) if edited is None else None,
    )


def _press(payload: Fields, me: Me) -> InboundMessage | None:
    match payload:
        case {
            "user": {"id": str(user)} as person,
            "container": {"channel_id": str(channel), "message_ts": str(ts)} as container,
            "actions": [{"action_ts": str(pressed)} as action, *_],
        }:
            pass
        case {"container": {"type": "view"}}:
            return None
        case _:
            raise UnreadableError("user, container or actions is missing")
    value = action.get("value")
    if not isinstance(value, str):
        return None  # a button that only opens a link
    message = payload.get("message")
    thread = container.get("thread_ts") or (message.get("thread_ts") if isinstance(message, Mapping) else None)
    label = action.get("text")
    return InboundMessage(
        chat=ChatRef("slack", f"{me.team}:{channel}", thread or (None if channel.startswith("D") else ts)),
        message_id=f"press:{ts}:{pressed}:{user}",
        delivery_id=str(payload.get("trigger_id", "")),
        sender=Person(_person(user, {"team": person.get("team_id")}, me).id, str(person.get("name", user))),
        text=unescape(str(label.get("text", ""))) if isinstance(label, Mapping) else "",
        sent_at=_time(pressed),
        action=value,
        reply_to=ts,
    )


def plain(text: str, me: Me) -> str:
    """Slack's markup as a person reads it, without the mention of the bot."""
    text = re.sub(rf"\s*<@{re.escape(me.user)}(\|[^>]*)?>[:,]?", "", text)
    return unescape(re.sub(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>", _reference, text)).strip()


def _reference(match: re.Match[str]) -> str:
    sigil, target, label = match.groups()
    if sigil == "!":
        return label or f"@{target.partition('^')[0]}"
    if sigil:
        return f"{sigil}{label or target}"
    target = target.removeprefix("mailto:")
    return f"{label} ({target})" if label and label != target else target


def _mentions(text: str, me: Me) -> bool:
    return f"<@{me.user}>" in text or f"<@{me.user}|" in text


def _person(user: str, fields: Fields, me: Me) -> Person:
    """Known by workspace and user: in a shared channel people of several workspaces meet. The event has no name."""
    team = fields.get("user_team") or fields.get("team") or me.team
    return Person(f"{team}:{user}", user)


def _text(message: Fields) -> str:
    """What was written; of a forwarded message, what it says."""
    if (text := message.get("text")) and isinstance(text, str):
        return text
    said = [a.get("text") or a.get("fallback") for a in _items(message.get("attachments"))]
    return "\n".join(piece for piece in said if isinstance(piece, str))


def _items(thing: object) -> list[Fields]:
    return [item for item in thing if isinstance(item, Mapping)] if isinstance(thing, list) else []


def _edited(message: Fields) -> str | None:
    match message.get("edited"):
        case {"ts": str(ts)}:
            return ts
        case None:
            return None
        case _:
            raise UnreadableError("edited has no ts")


def _time(ts: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except ValueError as error:
        raise UnreadableError("a ts is no time") from error


def _files(message: Fields) -> tuple[Attachment, ...]:
    """Described, not fetched. In a shared channel Slack may tell nothing but the id until it is asked (``files.info``)."""
    return tuple(
        Attachment(
            name=str(file.get("name") or file["id"]),
            media_type=str(file.get("mimetype") or "application/octet-stream"),
            size=size if isinstance(size := file.get("size"), int) else None,
            ref=file["id"],
        )
        for file in _items(message.get("files"))
        if isinstance(file.get("id"), str) and file.get("mode") != "tombstone"
    )
