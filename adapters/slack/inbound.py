"""From a payload of Slack's Events API or interactivity to an inbound message. Pure.

It must not know how payloads arrive or are acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from adapters.invitations import invitation
from adapters.slack.elements import Fields, Me, UnreadableError, chat_of, mentions, person_of, plain, time_of
from adapters.slack.interactions import command, press
from bot.model import Attachment, InboundMessage, Person

__all__ = ["Me", "UnreadableError", "plain", "to_inbound"]

# What people write. Everything else with a subtype (joined, renamed, pinned …) is Slack speaking.
_WRITTEN = (None, "file_share", "me_message", "thread_broadcast")


def to_inbound(payload: Fields, me: Me, now: datetime) -> InboundMessage | None:
    """The message in a payload; None when it is not for the bot. Raises UnreadableError."""
    try:
        match payload:
            case {"type": "event_callback", "event": {"type": "message" | "app_mention"} as event, **envelope}:
                return _event(event, str(envelope.get("event_id", "")), me)
            case {"type": "event_callback", "event": {"type": str()}}:
                return None
            case {"type": "block_actions"}:
                return press(payload, me)
            case {"type": str(kind)} if kind != "event_callback":
                return None
            case {"command": str()}:
                return command(payload, me, now)
            case _:
                raise UnreadableError("neither an event nor an interaction")
    except (OverflowError, OSError) as error:
        raise UnreadableError("its time is none") from error


def _event(event: Fields, delivery_id: str, me: Me) -> InboundMessage | None:
    match event:
        case {"subtype": "message_deleted", "previous_message": {} as before}:
            return _deletion(event, before, delivery_id, me)
        case {"subtype": "message_changed", "message": {"subtype": "tombstone"}, "previous_message": {} as before}:
            # What has answers in its thread does not vanish when it is deleted, it becomes a gravestone.
            return _deletion(event, before, delivery_id, me)
        case {"subtype": "message_changed", "message": {} as message}:
            if not isinstance(message.get("edited"), Mapping):
                return None  # only Slack has changed it, to show a preview of a link
            return _written(event, message, delivery_id, me)
        case {"subtype": "message_changed"}:
            raise UnreadableError("message is missing")
        case _:
            return _written(event, event, delivery_id, me)


def _deletion(event: Fields, before: Fields, delivery_id: str, me: Me) -> InboundMessage | None:
    """Somebody has taken away what they had written before; or, where staff sit, what the bot had: Slack does not say who."""
    match event, before:
        case {"channel": str(channel)}, {"user": me.user, "ts": str(ts)} if channel in me.staff:
            thread = str(before.get("thread_ts") or ts)
            bot = Person(f"{me.team}:{me.user}", me.user)
            return InboundMessage(
                chat_of(me, channel, thread), f"{ts}@deleted", delivery_id, bot, "", time_of(ts), deletion_of=ts
            )
    gone = _written(event, before, delivery_id, me)
    if gone is None:
        return None
    ts = gone.edit_of or gone.message_id
    return replace(
        gone,
        message_id=f"{ts}@deleted",
        text="",
        attachments=(),
        sent_at=time_of(at) if isinstance(at := event.get("event_ts"), str) else gone.sent_at,
        edit_of=None,
        deletion_of=ts,
        invitation=None,
    )


def _written(event: Fields, message: Fields, delivery_id: str, me: Me) -> InboundMessage | None:
    """``message`` is what ``event`` tells of: the same, or what it was changed to, or what it was."""
    channel = event.get("channel")
    if not isinstance(channel, str):
        raise UnreadableError("channel is missing")
    of_staff = channel in me.staff
    if message.get("subtype") not in _WRITTEN or message.get("bot_id") or message.get("hidden"):
        return None
    match message:
        case {"user": str(user), "ts": str(ts)}:
            pass
        case {"user": _} | {"ts": _}:
            raise UnreadableError("user or ts is missing")
        case _:
            return None
    text, thread = _text(message), message.get("thread_ts")
    if not isinstance(thread, str):
        thread = None
    direct = event.get("channel_type") == "im" or channel.startswith("D")
    addressed = direct or mentions(text, me) or of_staff
    # In a thread where the bot has been spoken to people go on without naming it; in the open channel they talk to each other.
    if user in {me.user, "USLACKBOT"} or not (addressed or (thread and not _to_somebody_else(text))):
        return None
    if of_staff and not _meant(text, message, me):
        return None
    edited = _edited(message)
    said = plain(text, me)
    return InboundMessage(
        # In a channel every mention opens a thread of its own, or several people would share one conversation.
        chat=chat_of(me, channel, thread or (None if direct or of_staff else ts)),
        message_id=ts if edited is None else f"{ts}@{edited}",
        delivery_id=delivery_id,
        sender=person_of(user, message, me),
        text=said,
        sent_at=time_of(edited or ts),
        attachments=_files(message),
        edit_of=None if edited is None else ts,
        invitation=invitation(said) if edited is None else None,
        overheard=not addressed,
    )


def _meant(text: str, message: Fields, me: Me) -> bool:
    """Whether what is written where staff sit is for the bot, or in a thread that it has begun. The rest is talk of their own.

    Of a thread whose beginning has been deleted Slack says that its own bot wrote it.
    """
    if mentions(text, me) or text.lstrip().startswith(("!", "/")):
        return True
    return "thread_ts" in message and message.get("parent_user_id", me.user) in (me.user, "USLACKBOT")


def _to_somebody_else(text: str) -> bool:
    """Whether it begins with the mention of a person; one of the bot does not come here."""
    return re.match(r"\s*<@[UW]", text) is not None


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
