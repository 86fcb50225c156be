"""From an update of the Bot API to an inbound message. Pure.

It must not know how updates are fetched or confirmed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.invitations import invitation
from bot.model import Attachment, ChatRef, InboundMessage, Person

KINDS = ("message", "edited_message", "callback_query")
"""What we ask Telegram for. Always sent: left out, whatever was asked for last would hold."""

Fields = Mapping[str, Any]


class UnreadableError(ValueError):
    """The update does not look as the Bot API describes it."""


@dataclass(frozen=True, slots=True)
class Me:
    """The bot itself, as getMe describes it."""

    id: int
    username: str


def to_inbound(update: Fields, me: Me, now: datetime) -> InboundMessage | None:
    """The message in an update; None when it is not for the bot. ``now`` dates a press, which carries no time.

    Raises UnreadableError.
    """
    try:
        match update:
            case {"message": {} as message, "update_id": number}:
                return _message(message, me, str(number))
            case {"edited_message": {"edit_date": int(edited)} as message, "update_id": number}:
                return _message(message, me, str(number), edited)
            case {"callback_query": {} as query, "update_id": number}:
                return _press(query, str(number), now)
            case {"message": _} | {"edited_message": _} | {"callback_query": _}:
                raise UnreadableError("it is no object, or has no update_id or edit_date")
            case _:
                return None
    except (OverflowError, OSError) as error:
        raise UnreadableError("its date is none") from error


def _message(message: Fields, me: Me, delivery_id: str, edited: int | None = None) -> InboundMessage | None:
    match message:
        case {"message_id": int(number), "date": int(date), "chat": {"id": int(), "type": str(kind)}}:
            pass
        case _:
            raise UnreadableError("message_id, date or chat is missing")
    sender = _sender(message)
    text, attachments = _text(message), _attachments(message)
    if sender is None or kind == "channel" or not (text or attachments):
        return None  # a bot, an anonymous post, or a service message such as "joined the group"
    if kind != "private":
        if not _addressed(message, me, text):
            return None
        text = _without_mention(text, me)
    return InboundMessage(
        chat=_chat(message),
        message_id=str(number) if edited is None else f"{number}@{edited}",
        delivery_id=delivery_id,
        sender=sender,
        text=text,
        sent_at=datetime.fromtimestamp(date if edited is None else edited, UTC),
        attachments=attachments,
        reply_to=_reply_to(message),
        edit_of=None if edited is None else str(number),
        invitation=invitation(text) if edited is None else None,
    )


def _press(query: Fields, delivery_id: str, now: datetime) -> InboundMessage | None:
    match query:
        case {"id": str(key), "data": str(action), "message": {"message_id": int(number)} as message}:
            sender = _sender(query)
        case {"id": str(), "from": {}}:
            return None  # a game, or a button on a message that was sent through inline mode: not ours
        case _:
            raise UnreadableError("id or from is missing")
    if sender is None:
        return None
    return InboundMessage(
        chat=_chat(message),
        message_id=f"press:{key}",
        delivery_id=delivery_id,
        sender=sender,
        text=_label(message, action),
        sent_at=now,
        action=action,
        reply_to=str(number),
    )


def _chat(message: Fields) -> ChatRef:
    match message:
        case {"chat": {"id": int(chat)}, "message_thread_id": int(topic), "is_topic_message": True}:
            return ChatRef("telegram", str(chat), str(topic))
        case {"chat": {"id": int(chat)}}:  # outside topics, message_thread_id only groups replies
            return ChatRef("telegram", str(chat))
        case _:
            raise UnreadableError("chat is missing")


def _sender(thing: Fields) -> Person | None:
    match thing.get("from"):
        case None | {"is_bot": True}:
            return None
        case {"id": int(number)} as user:
            names = [name for key in ("first_name", "last_name") if isinstance(name := user.get(key), str) and name]
            return Person(str(number), " ".join(names) or str(user.get("username", number)))
        case _:
            raise UnreadableError("from is no user")


def _text(message: Fields) -> str:
    """What was written; a place or a contact is put into words, so that it is not lost."""
    match message:
        case {"text": str(text)} | {"caption": str(text)}:
            return text
        case {"contact": {"phone_number": str(phone), "first_name": str(name)}}:
            return f"{name}, {phone}"
        case {"location": {"latitude": latitude, "longitude": longitude}}:
            return f"{latitude}, {longitude}"
        case _:
            return ""


# --- groups: only what is meant for the bot ---------------------------------------------------------


def _addressed(message: Fields, me: Me, text: str) -> bool:
    match message.get("reply_to_message"):
        case {"forum_topic_created": _}:
            pass  # every message in a topic refers to the topic's beginning
        case {"from": {"id": me.id}}:
            return True
    entities = message.get("entities") or message.get("caption_entities")
    units = text.encode("utf-16-le", "surrogatepass")  # Telegram counts in UTF-16
    for entity in entities if isinstance(entities, list) else ():
        match entity:
            case {"type": "text_mention", "user": {"id": me.id}}:
                return True
            case {"type": "mention" | "bot_command", "offset": int(start), "length": int(length)}:
                named = units[2 * max(start, 0) : 2 * max(start + length, 0)].decode("utf-16-le", "ignore")
                if named.lower().endswith(f"@{me.username.lower()}"):
                    return True
    return False


def _without_mention(text: str, me: Me) -> str:
    return re.sub(rf"\s*@{re.escape(me.username)}\b", "", text, flags=re.IGNORECASE).strip()


def _reply_to(message: Fields) -> str | None:
    match message.get("reply_to_message"):
        case {"forum_topic_created": _}:
            return None
        case {"message_id": int(number)}:
            return str(number)
        case _:
            return None


def _label(message: Fields, action: str) -> str:
    """What was written on the pressed button, as far as the message still shows it."""
    match message:
        case {"reply_markup": {"inline_keyboard": [*rows]}}:
            for row in rows:
                for button in row if isinstance(row, list) else ():
                    match button:
                        case {"text": str(label), "callback_data": data} if data == action:
                            return label
    return ""


# --- files: described, not fetched ------------------------------------------------------------------

_FILES = {  # Telegram's name -> file name and media type where it gives none; an animation is also sent as a document
    "animation": ("animation.mp4", "video/mp4"),
    "audio": ("audio.mp3", "audio/mpeg"),
    "document": ("document", "application/octet-stream"),
    "photo": ("photo.jpg", "image/jpeg"),
    "sticker": ("sticker.webp", "image/webp"),
    "video": ("video.mp4", "video/mp4"),
    "video_note": ("video.mp4", "video/mp4"),
    "voice": ("voice.ogg", "audio/ogg"),
}


def _attachments(message: Fields) -> tuple[Attachment, ...]:
    for kind, (name, media_type) in _FILES.items():
        file = message.get(kind)
        if isinstance(file, list) and file:
            file = file[-1]  # a photo comes in several sizes, the largest last
        match file:
            case {"file_id": str(ref), **rest}:
                size = rest.get("file_size")
                return (
                    Attachment(
                        name=str(rest.get("file_name") or name),
                        media_type=str(rest.get("mime_type") or media_type),
                        size=size if isinstance(size, int) else None,
                        ref=ref,
                    ),
                )
    return ()
