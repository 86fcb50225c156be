"""From an outbound message to calls of Slack's Web API: mrkdwn in blocks, split to what Slack takes. Pure.

It must not know how a call is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from adapters.markup import Kind, Run, Style, parse, split
from adapters.slack.elements import channel_of
from bot.model import Button, OutboundMessage, Part, Person

SECTION_LIMIT = 3000  # and the text of chat.update takes 4,000: one section for each message keeps within both
BUTTON_LIMIT = 25
LABEL_LIMIT = 75
ADDRESS_LIMIT = 2000
UPLOAD = "files.completeUploadExternal"

_MARKS: dict[Kind, str] = {"bold": "*", "italic": "_", "strike": "~", "code": "`"}
_DEPTH: tuple[Kind, ...] = ("quote", "bold", "italic", "strike", "code", "link")  # Slack formats no label of a link


def render(message: OutboundMessage) -> tuple[Part, ...]:
    """One part for each message, texts before files: an edit goes into the first, the buttons hang on the last text, because none
    can hang on a file. A text that is short enough, and has no buttons, comes with the first file. The thread is added when a part
    is sent: it may not be there yet.
    """
    called = called_by_name(message.mentions)
    texts = [mrkdwn(piece) for piece in split(parse(message.text), SECTION_LIMIT - len(called), _size)]
    if called:
        texts[:1] = [called + (texts[0] if texts else "")]
    comment = None
    if message.attachments and message.edit_of is None and not message.buttons:
        if len(texts) == 1:
            comment, texts = texts[0], []
    elif not texts:
        texts = ["…"]
    parts = []
    for index, text in enumerate(texts):
        blocks = [section(text)]
        if index == len(texts) - 1:
            blocks += actions(message.buttons)
        params: dict[str, object] = {"channel": channel_of(message.chat.chat_id), "text": text, "blocks": blocks}
        method = "chat.postMessage"
        if index == 0 and message.edit_of is not None:
            method, params["ts"] = "chat.update", message.edit_of.partition("@")[0]
        else:
            params |= {"unfurl_links": False, "unfurl_media": False}
        parts.append(Part(message.chat, {"method": method, "params": params}))
    for index, file in enumerate(message.attachments):
        params = {"channel_id": channel_of(message.chat.chat_id)}
        if index == 0 and comment is not None:
            params["initial_comment"] = comment
        about = {"key": file.key, "name": file.name, "size": file.size}
        parts.append(Part(message.chat, {"method": UPLOAD, "params": params, "file": about}))
    return tuple(parts)


def called_by_name(people: Sequence[Person]) -> str:
    """What makes Slack tell each of them, to stand in front of a text."""
    return "".join(f"<@{escape(channel_of(person.id))}> " for person in people)


def section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def mrkdwn(runs: Sequence[Run], depth: int = 0) -> str:
    pieces = []
    for style, group in groupby(runs, key=lambda run: _style(run, depth)):
        inside = tuple(group)
        pieces.append(_wrap(mrkdwn(inside, depth + 1), style) if style else escape("".join(r.text for r in inside)))
    return "".join(pieces)


def escape(text: str) -> str:
    """All that Slack wants escaped; it also takes the power from ``<!channel>`` and ``<@U…>`` in what customers wrote."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _size(runs: Sequence[Run]) -> int:
    return len(mrkdwn(runs))


def _style(run: Run, depth: int) -> Style | None:
    styles = _shown(run.styles)
    return styles[depth] if depth < len(styles) else None


@lru_cache(maxsize=256)
def _shown(styles: tuple[Style, ...]) -> tuple[Style, ...]:
    """Those that Slack can show of styles worn at once, outermost first."""
    kinds = {style.kind for style in styles}
    if "pre" in kinds:  # shows everything inside as it stands
        return tuple(style for style in styles if style.kind == "pre")[:1]
    shown = (style for style in styles if not (style.kind == "code" and "link" in kinds))
    return tuple(sorted(shown, key=lambda style: _DEPTH.index(style.kind)))


def _wrap(inside: str, style: Style) -> str:
    match style.kind:
        case "pre":
            return f"```\n{inside}\n```"
        case "quote":
            return "\n".join(f"> {line}" for line in inside.split("\n"))
        case "link" if len(style.detail) > ADDRESS_LIMIT:
            return inside
        case "link":
            address = escape(style.detail).replace("|", "%7C")
            return f"<{address}|{inside.replace(chr(10), ' ')}>" if inside.strip() else inside
        case kind:
            # A mark must touch the word that it marks, and formats nothing beyond the end of the line.
            return "\n".join(_marked(line, _MARKS[kind]) for line in inside.split("\n"))


def _marked(line: str, mark: str) -> str:
    words = line.strip()
    return line.replace(words, f"{mark}{words}{mark}", 1) if words else line


def actions(buttons: Sequence[Button]) -> list[dict[str, object]]:
    elements = [
        {
            "type": "button",
            "action_id": f"{index}:{button.action}",  # must differ within a block; the value is what comes back
            "value": button.action,
            "text": {"type": "plain_text", "text": _short(button.label), "emoji": True},
        }
        for index, button in enumerate(buttons)
    ]
    return [
        {"type": "actions", "elements": elements[start : start + BUTTON_LIMIT]}
        for start in range(0, len(elements), BUTTON_LIMIT)
    ]


def _short(label: str) -> str:
    return label if len(label) <= LABEL_LIMIT else label[: LABEL_LIMIT - 1] + "…"
