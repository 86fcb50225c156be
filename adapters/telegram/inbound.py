"""From an update of the Bot API to an inbound message. Pure.

It must not know how updates are fetched or confirmed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from adapters.invitations import invitation
from adapters.telegram.outbound import PRESSED
from bot.model import Attachment, ChatRef, Command, InboundMessage, Person

KINDS = ("message", "edited_message", "callback_query")
"""What we ask Telegram for. Always sent: left out, whatever was asked for last would hold."""
NO_COMMANDS: Mapping[str, Command] = MappingProxyType({})

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:\s+(.+))?", re.DOTALL)

Fields = Mapping[str, Any]


class UnreadableError(ValueError):
    """The update does not look as the Bot API describes it."""


@dataclass(frozen=True, slots=True)
class Me:
    """The bot itself, as getMe describes it."""

    id: int
    username: str


def to_inbound(
    update: Fields,
    me: Me,
    now: datetime,
    commands: Mapping[str, Command] = NO_COMMANDS,
    staff: Collection[str] = (),
) -> InboundMessage | None:
    """The message in an update; None when it is not for the bot.

    ``now`` dates a press, which carries no time; ``commands`` are known by name, and only to customers: in the chats whose ids
    are ``staff`` everything is for the bot as it stands. Raises UnreadableError.
    """
    try:
        match update:
            case {"message": {} as message, "update_id": number}:
                return _moved(message, str(number)) or _message(message, me, str(number), commands, staff)
            case {"edited_message": {"edit_date": int(edited)} as message, "update_id": number}:
                return _message(message, me, str(number), NO_COMMANDS, staff, edited)
            case {"callback_query": {} as query, "update_id": number}:
                return _press(query, str(number), now)
            case {"message": _} | {"edited_message": _} | {"callback_query": _}:
                raise UnreadableError("it is no object, or has no update_id or edit_date")
            case _:
                return None
    except (OverflowError, OSError) as error:
        raise UnreadableError("its date is none") from error


def _message(
    message: Fields,
    me: Me,
    delivery_id: str,
    commands: Mapping[str, Command],
    staff: Collection[str],
    edited: int | None = None,
) -> InboundMessage | None:
    match message:
        case {"message_id": int(number), "date": int(date), "chat": {"id": int(chat), "type": str(kind)}}:
            among_staff = str(chat) in staff
        case _:
            raise UnreadableError("message_id, date or chat is missing")
    sender = _sender(message) or (_disguised(message) if among_staff else None)
    text, attachments = _text(message), _attachments(message)
    if sender is None or kind == "channel" or not (text or attachments):
        return None  # a bot, an anonymous post, or a service message such as "joined the group"
    if kind != "private":
        spans = _addresses(message, me, text)
        if not spans and not among_staff and not _answers(message, me):
            return None
        text = _without(spans, text) if spans else text
    invited = invitation(text) if edited is None and not among_staff else None
    text, action = (text, None) if invited or among_staff else _command(text, commands)
    return InboundMessage(
        chat=_chat(message),
        message_id=str(number) if edited is None else f"{number}@{edited}",
        delivery_id=delivery_id,
        sender=sender,
        text=text,
        sent_at=datetime.fromtimestamp(date if edited is None else edited, UTC),
        attachments=attachments,
        action=action,
        reply_to=_reply_to(message),
        edit_of=None if edited is None else str(number),
        invitation=invited,
    )


def _command(text: str, commands: Mapping[str, Command]) -> tuple[str, str | None]:
    """A command alone is an action. Nobody's words behind one may be lost: "/hilfe Export geht nicht" is about the export."""
    match = _COMMAND.fullmatch(text.strip())
    command = commands.get(match[1].lower()) if match else None
    if match is None or command is None:
        return text, None
    words = match[2]
    if words is None or command.takes_words:
        return words or text, command.action
    return f"{match[1].replace('_', ' ')} {words}", None


def _moved(message: Fields, delivery_id: str) -> InboundMessage | None:
    """A group that has become a supergroup goes on under another number, which Telegram tells in the old one."""
    match message:
        case {"migrate_to_chat_id": int(new), "message_id": int(number), "date": int(date), "chat": {"id": int(old)}}:
            return InboundMessage(
                chat=ChatRef("telegram", str(old)),
                message_id=str(number),
                delivery_id=delivery_id,
                sender=Person(str(old), ""),
                text="",
                sent_at=datetime.fromtimestamp(date, UTC),
                moved_to=str(new),
            )
        case _:
            return None


def _press(query: Fields, delivery_id: str, now: datetime) -> InboundMessage | None:
    match query:
        case {"data": str(action)} if action == PRESSED:
            return None
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


def _disguised(message: Fields) -> Person | None:
    """Whoever writes in the name of a group or a channel; who that is, Telegram does not say."""
    match message:
        case {"sender_chat": {"id": int(number), **about}}:
            return Person(str(number), str(about.get("title") or number))
        case _:
            return None


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


def _answers(message: Fields, me: Me) -> bool:
    match message.get("reply_to_message"):
        case {"forum_topic_created": _}:
            return False  # every message in a topic refers to the topic's beginning
        case {"from": {"id": me.id}}:
            return True
    return False


def _addresses(message: Fields, me: Me, text: str) -> list[tuple[int, int]]:
    """Where the bot is called by name, as (start, end) in UTF-16 units, in which Telegram counts; of a command only the name."""
    entities = message.get("entities") or message.get("caption_entities")
    units, name = _units(text), f"@{me.username.lower()}"
    found = []
    for entity in entities if isinstance(entities, list) else ():
        match entity:
            case {"type": str(kind), "offset": int(offset), "length": int(length)}:
                start, end = max(offset, 0), max(offset + length, 0)
            case _:
                continue
        match entity:
            case {"type": "text_mention", "user": {"id": me.id}}:
                found.append((start, end))
            case _ if kind in {"mention", "bot_command"} and _said(units[2 * start : 2 * end]).lower().endswith(name):
                found.append((end - len(name), end))
    return sorted(found)


def _without(spans: list[tuple[int, int]], text: str) -> str:
    """The text as if nobody had been called in it: "Hallo @bot, geht nicht" is "Hallo geht nicht"."""
    for start, end in reversed(spans):
        units = _units(text)
        before, after = _said(units[: 2 * start]), re.sub(r"^[,:;]?[ \t]*", "", _said(units[2 * end :]))
        joined = not before.strip() or not after or after[0] in "\n.!?)"
        text = before.rstrip(" \t," if after[:1] in tuple(".!?)") else " \t") + ("" if joined else " ") + after
    return text.strip()


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _said(units: bytes) -> str:
    return units.decode("utf-16-le", "ignore")


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
