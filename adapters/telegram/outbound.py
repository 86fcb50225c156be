"""From an outbound message to calls of the Bot API: HTML, split to what Telegram takes. Pure.

It must not know how a call is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Any

from adapters.markup import Run, Style, parse, split
from bot.model import Button, ChatRef, File, OutboundMessage, Part, Person

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
CALLBACK_DATA_LIMIT = 64
BUTTON_LIMIT = 100
GENERAL_TOPIC = "1"
PHOTO_LIMIT = 10 * 1000 * 1000
PHOTO_TYPES = ("image/jpeg", "image/png")
PRESSED = "pressed"
"""What is left under a message whose button has been pressed; pressing that again has no effect."""

_TAGS = {"bold": "b", "italic": "i", "strike": "s", "code": "code", "quote": "blockquote"}


def render(message: OutboundMessage) -> tuple[Part, ...]:
    """One part for each call, texts before files: an edit goes into the first, the reply reference too, the buttons hang on the
    last. A text that is short enough is the caption of the first file.
    """
    edited = number_of(message.edit_of)
    runs, files = (*_called(message.mentions), *parse(message.text)), message.attachments
    pieces = list(split(runs, TEXT_LIMIT, length))
    caption = None
    if files and not edited and len(pieces) == 1 and length(pieces[0]) <= CAPTION_LIMIT:
        caption, pieces = html(pieces[0]), []
    calls = [_text(html(piece)) for piece in pieces] or ([] if files and not edited else [_text("…")])
    calls += [_file(file, caption if index == 0 else None) for index, file in enumerate(files)]
    for index, call in enumerate(calls):
        params = call["params"]
        params["chat_id"] = number_of(message.chat.chat_id) or message.chat.chat_id
        if index == 0 and edited:
            call["method"], params["message_id"] = "editMessageText", edited
        else:
            params |= _place(message.chat, message.reply_to if index == 0 else None)
    if message.buttons:
        calls[-1]["params"]["reply_markup"] = {"inline_keyboard": [[key_of(button)] for button in message.buttons]}
    return tuple(Part(message.chat, call) for call in calls)


def _called(people: Sequence[Person]) -> Iterator[Run]:
    """Names that make Telegram tell those who bear them, by their numbers."""
    for person in people:
        yield Run(person.name, (Style("link", f"tg://user?id={person.id}"),))
        yield Run(" ")


def _text(text: str) -> dict[str, Any]:
    params = {"text": text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
    return {"method": "sendMessage", "params": params}


def _file(file: File, caption: str | None) -> dict[str, Any]:
    """A photo is shown at once, but only where Telegram takes it for one."""
    photo = file.media_type in PHOTO_TYPES and file.size <= PHOTO_LIMIT
    return {
        "method": "sendPhoto" if photo else "sendDocument",
        "params": {"caption": caption, "parse_mode": "HTML"} if caption else {},
        "file": {"key": file.key, "name": file.name},
    }


def length(runs: Sequence[Run]) -> int:
    """Telegram counts UTF-16 units, after the markup has been parsed."""
    return sum(len(run.text.encode("utf-16-le", "surrogatepass")) for run in runs) // 2


def html(runs: Sequence[Run], depth: int = 0) -> str:
    pieces = []
    for style, group in groupby(runs, key=lambda run: _style(run, depth)):
        inside = tuple(group)
        pieces.append(_wrap(html(inside, depth + 1), style) if style else escape("".join(run.text for run in inside)))
    return "".join(pieces)


def _style(run: Run, depth: int) -> Style | None:
    """Code and preformatted text may neither hold nor be held by other markup, and quotations do not nest."""
    alone = tuple(style for style in run.styles if style.kind in {"code", "pre"})
    styles = alone[:1] or run.styles
    return styles[depth] if depth < len(styles) else None


def _wrap(inside: str, style: Style) -> str:
    match style.kind:
        case "link":
            return f'<a href="{escape(style.detail)}">{inside}</a>'
        case "pre" if style.detail:
            return f'<pre><code class="language-{escape(style.detail)}">{inside}</code></pre>'
        case "pre":
            return f"<pre>{inside}</pre>"
        case kind:
            return f"<{_TAGS[kind]}>{inside}</{_TAGS[kind]}>"


def key_of(button: Button) -> dict[str, str]:
    """Raises ValueError for an action that Telegram would not take."""
    if not 0 < len(button.action.encode()) <= CALLBACK_DATA_LIMIT:
        raise ValueError(f"the action {button.action!r} does not fit in {CALLBACK_DATA_LIMIT} bytes")
    return {"text": button.label, "callback_data": button.action}


def where(chat: ChatRef) -> dict[str, object]:
    """The arguments that name a chat and its topic."""
    return {"chat_id": number_of(chat.chat_id) or chat.chat_id, **_place(chat, None)}


def _place(chat: ChatRef, reply_to: str | None) -> dict[str, object]:
    place: dict[str, object] = {}
    # Telegram refuses the General topic by its id.
    if (topic := number_of(chat.thread_id)) and chat.thread_id != GENERAL_TOPIC:
        place["message_thread_id"] = topic
    if quoted := number_of(reply_to):
        # The message may have been deleted meanwhile: the answer must go out all the same.
        place["reply_parameters"] = {"message_id": quoted, "allow_sending_without_reply": True}
    return place


def number_of(text: str | None) -> int | None:
    """Telegram's ids are numbers; a key of ours (an edit, a press) begins with the number that it belongs to, or is none."""
    head = (text or "").partition("@")[0]
    return int(head) if head.removeprefix("-").isdecimal() else None
