"""What staff see on Telegram: a topic for each ticket in their group, its card, reactions as marks on what they write. Pure.

It must not know how a call is made, nor what can be done about a ticket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from adapters.markup import Run, Style, parse, split
from adapters.telegram.outbound import TEXT_LIMIT, html, key_of, length, number_of
from bot.model import Button, Card, ChatRef, Mark, Part

TOPIC_NAME_LIMIT = 128
SIDE_BY_SIDE = 22
"""Characters of the longest label of which two buttons fit beside each other on a telephone."""

REACTIONS = {Mark.NOTED: "✍", Mark.SENDING: "👀", Mark.SENT: "👌", Mark.FAILED: "👎"}
"""Of the emoji that the Bot API lets bots react with (ReactionTypeEmoji); a bot has one reaction on a message."""


def draw(chat: ChatRef, card: Card, card_id: str | None) -> tuple[Part, ...]:
    """Open a topic with the card in it, or draw the card anew. The colour of a topic cannot be changed, so it says nothing."""
    params = _drawn(card)
    if card_id is not None:
        edit = {**params, "message_id": number_of(card_id)}
        return (_part(chat, "editMessageText", edit, pin=True),)
    topic = {"name": _clipped(" ".join(card.title.split()), TOPIC_NAME_LIMIT)}
    return _part(chat, "createForumTopic", topic), _part(chat, "sendMessage", params, pin=True)


def shut(chat: ChatRef, *, shut: bool) -> tuple[Part, ...]:
    return (_part(chat, "closeForumTopic" if shut else "reopenForumTopic", {}),)


def mark(chat: ChatRef, message_id: str, mark: Mark) -> tuple[Part, ...]:
    """``or_say``: where reactions are not allowed, the mark is a message; that something is on its way needs none."""
    reaction = [{"type": "emoji", "emoji": REACTIONS[mark]}]
    params = {"message_id": number_of(message_id), "reaction": reaction}
    return (_part(chat, "setMessageReaction", params, or_say=mark is not Mark.SENDING),)


def _part(chat: ChatRef, method: str, params: dict[str, Any], **more: bool) -> Part:
    return Part(chat, {"method": method, "params": params, **more})


def _drawn(card: Card) -> dict[str, Any]:
    pieces = list(split(tuple(_runs(card)), TEXT_LIMIT - 2, length))
    text = html(pieces[0]) + ("\n…" if len(pieces) > 1 else "")
    params: dict[str, Any] = {"text": text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
    if card.buttons:
        params["reply_markup"] = {"inline_keyboard": list(_rows(card.buttons))}
    return params


def _runs(card: Card) -> Iterator[Run]:
    bold = (Style("bold"),)
    yield Run(card.title, bold)
    for index, field in enumerate(card.fields):
        yield Run("\n\n" if index == 0 else "\n")
        yield Run(f"{field.label}:", bold)
        yield Run(f" {field.value}")
    if card.body:
        yield Run("\n\n")
        yield from parse(card.body)


def _rows(buttons: Sequence[Button]) -> Iterator[list[dict[str, str]]]:
    row: list[dict[str, str]] = []
    for button in buttons:
        if len(button.label) > SIDE_BY_SIDE:
            if row:
                yield row
            row = []
            yield [key_of(button)]
            continue
        row.append(key_of(button))
        if len(row) == 2:
            yield row
            row = []
    if row:
        yield row


def _clipped(text: str, limit: int) -> str:
    """Telegram counts UTF-16 units in names as it does in texts."""
    while length((Run(text),)) > limit:
        text = text[:-2].rstrip() + "…"
    return text
