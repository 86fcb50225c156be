"""What is shown beside messages: the home tab, and a message of which a button has been pressed. Pure.

It must not know how a call is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import unescape

from adapters.markup import parse, split
from adapters.slack.elements import Fields
from adapters.slack.outbound import SECTION_LIMIT, actions, escape, mrkdwn, section
from bot.model import Page

VIEW_BLOCKS = 100


def home(page: Page) -> dict[str, object]:
    """The view of the home tab; what is too long for one ends with an ellipsis."""
    texts = [mrkdwn(piece) for piece in split(parse(page.text), SECTION_LIMIT, lambda runs: len(mrkdwn(runs)))] or ["…"]
    buttons = actions(page.buttons)
    room = VIEW_BLOCKS - len(buttons)
    if len(texts) > room:
        texts = [*texts[: room - 1], "…"]
    return {"type": "home", "blocks": [*map(section, texts), *buttons]}


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
