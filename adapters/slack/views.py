"""What is shown beside messages: the home tab, a form, and a message of which a button has been pressed. Pure.

It must not know how a call is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import unescape

from adapters.markup import parse, split
from adapters.slack.elements import Fields
from adapters.slack.outbound import SECTION_LIMIT, actions, escape, mrkdwn, section
from bot.model import ChatRef, Form, FormField, Page

VIEW_BLOCKS = 100
FORM = "firstline_form"
VALUE = "value"
TITLE_LIMIT = 24
OPTIONS_LIMIT = 100
OPTION_LIMIT = 75
VALUE_LIMIT = 150
LABEL_LIMIT = 2000
TEXT_LIMIT = 3000


def home(page: Page) -> dict[str, object]:
    """The view of the home tab; what is too long for one ends with an ellipsis."""
    texts = [mrkdwn(piece) for piece in split(parse(page.text), SECTION_LIMIT, lambda runs: len(mrkdwn(runs)))] or ["…"]
    buttons = actions(page.buttons)
    room = VIEW_BLOCKS - len(buttons)
    if len(texts) > room:
        texts = [*texts[: room - 1], "…"]
    return {"type": "home", "blocks": [*map(section, texts), *buttons]}


def form(form: Form, chat: ChatRef) -> dict[str, object]:
    """The view of a form about what is in ``chat``; where it belongs and what stood in it comes back with it."""
    about = {
        "chat": chat.chat_id,
        "thread": chat.thread_id,
        "fields": [[field.action, field.value, field.always] for field in form.fields],
    }
    view: dict[str, object] = {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": json.dumps(about),
        "title": _plain(form.title, TITLE_LIMIT),
        "submit": _plain(form.submit, TITLE_LIMIT),
        "blocks": [_input(number, field) for number, field in enumerate(form.fields)],
    }
    return view


def _input(number: int, field: FormField) -> dict[str, object]:
    element: dict[str, object]
    if field.choices:
        fitting = [choice for choice in field.choices if len(choice.value) <= VALUE_LIMIT][:OPTIONS_LIMIT]
        options = {c.value: {"text": _plain(c.label, OPTION_LIMIT), "value": c.value} for c in fitting}
        element = {"type": "static_select", "options": list(options.values())}
        if field.value in options:
            element["initial_option"] = options[field.value]
    else:
        element = {"type": "plain_text_input", "multiline": True, "max_length": TEXT_LIMIT}
        if field.value:
            element["initial_value"] = field.value
    label = _plain(field.label, LABEL_LIMIT)
    element["action_id"] = VALUE
    return {"type": "input", "block_id": str(number), "optional": True, "label": label, "element": element}


def _plain(text: str, limit: int) -> dict[str, object]:
    return {"type": "plain_text", "text": text if len(text) <= limit else text[: limit - 1] + "…", "emoji": True}


def chosen(message: Fields, action: Fields) -> dict[str, object] | None:
    """What ``chat.update`` must be told so that ``message`` shows which button was pressed, in place of the row that it was in.

    None when the message has no such row: it is shown already, or the message is another by now.
    """
    blocks, text = message.get("blocks"), message.get("text")
    if not isinstance(blocks, list) or not isinstance(text, str):
        return None
    label = action.get("text")
    said = unescape(str(label.get("text", ""))) if isinstance(label, Mapping) else ""
    changed = [_mark(said) if _has(block, action) else block for block in blocks]
    return None if changed == blocks else {"text": text or "…", "blocks": changed}


def _mark(label: str) -> dict[str, object]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": f"✓ {escape(label)}".strip()}]}


def _has(block: object, action: Fields) -> bool:
    if not isinstance(block, Mapping) or block.get("type") != "actions":
        return False
    elements = block.get("elements")
    pressed = action.get("action_id")
    return isinstance(elements, list) and any(
        isinstance(e, Mapping) and e.get("action_id") == pressed for e in elements
    )
