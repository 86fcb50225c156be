"""What Slack takes as text and blocks, and how it refuses the rest.

It must not know about servers.
"""

from __future__ import annotations

import json
import re
from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer, no error of ours
    """``ok: false`` with this error."""


def check_escapes(text: str) -> None:
    """``<`` may only open a link, ``&`` only an entity: all else has been forgotten to be escaped."""
    text = re.sub(r"^(<@[UW][A-Z0-9]+> )+", "", text)  # those who are called stand in front, nowhere else
    rest = re.sub(r"<(https?://|mailto:|tel:|tg://)[^<>|\s]+(\|[^<>\n]*)?>", "", text)
    rest = re.sub(r"^(> )+", "", rest, flags=re.MULTILINE)
    if re.search(r"[<>]|&(?!amp;|lt;|gt;)", rest):
        raise Refusal("invalid_arguments")


def check_blocks(blocks: list[Any], most: int = 50) -> None:
    if len(blocks) > most:
        raise Refusal("invalid_blocks")
    if len(json.dumps(blocks, ensure_ascii=False)) > 13_200:
        raise Refusal("msg_blocks_too_long")
    for block in blocks:
        match block:
            case {"type": "section", "text": {"type": "mrkdwn", "text": str(text), **more}, **rest} if (
                not rest and not more
            ):
                if not 0 < len(text) <= 3000:
                    raise Refusal("invalid_blocks")
                check_escapes(text)
            case {"type": "section", "fields": [*fields], **rest} if not rest and 0 < len(fields) <= 10:
                for field in fields:
                    if (
                        set(field) != {"type", "text"}
                        or field["type"] != "mrkdwn"
                        or not 0 < len(field["text"]) <= 2000
                    ):
                        raise Refusal("invalid_blocks")
                    check_escapes(field["text"])
            case {
                "type": "header",
                "text": {"type": "plain_text", "text": str(text), "emoji": bool(), **more},
                **rest,
            } if not rest and not more and 0 < len(text) <= 150:
                pass
            case {"type": "actions", "elements": [*elements], **rest} if not rest and 0 < len(elements) <= 25:
                for element in elements:
                    _check_button(element)
                if len({element["action_id"] for element in elements}) < len(elements):
                    raise Refusal("invalid_blocks")
            case {"type": "context", "elements": [*elements], **rest} if not rest and 0 < len(elements) <= 10:
                for element in elements:
                    if set(element) != {"type", "text"} or element["type"] != "mrkdwn" or not element["text"]:
                        raise Refusal("invalid_blocks")
                    check_escapes(element["text"])
            case _:
                raise Refusal("invalid_blocks")


def check_view(view: Any) -> None:
    match view:
        case {"type": "home", "blocks": [*blocks], **rest} if not rest:
            check_blocks(blocks, most=100)
        case {
            "type": "modal",
            "callback_id": str(name),
            "private_metadata": str(about),
            "title": title,
            "submit": submit,
            "blocks": [_, *_] as blocks,
            **rest,
        } if not rest and len(blocks) <= 100 and 0 < len(name) <= 255 and len(about) <= 3000:
            _check_plain(title, 24)
            _check_plain(submit, 24)
            for block in blocks:
                _check_input(block)
            if len({block["block_id"] for block in blocks}) < len(blocks):
                raise Refusal("invalid_arguments")
        case _:
            raise Refusal("invalid_arguments")


def _check_input(block: Any) -> None:
    match block:
        case {
            "type": "input",
            "block_id": str(key),
            "optional": bool(),
            "label": label,
            "element": {} as element,
            **rest,
        } if not rest and 0 < len(key) <= 255:
            _check_plain(label, 2000)
        case _:
            raise Refusal("invalid_arguments")
    match element:
        case {"type": "static_select", "action_id": str(), "options": [_, *_] as options, **more} if (
            set(more) <= {"initial_option"} and len(options) <= 100
        ):
            for option in options:
                _check_plain(option["text"], 75)
                if set(option) != {"text", "value"} or not 0 < len(option["value"]) <= 150:
                    raise Refusal("invalid_arguments")
            if more.get("initial_option", options[0]) not in options:
                raise Refusal("invalid_arguments")
        case {"type": "plain_text_input", "action_id": str(), "multiline": bool(), "max_length": int(most), **more} if (
            set(more) <= {"initial_value"} and 0 < most <= 3000 and len(str(more.get("initial_value", ""))) <= most
        ):
            pass
        case _:
            raise Refusal("invalid_arguments")


def _check_plain(text: Any, most: int) -> None:
    match text:
        case {"type": "plain_text", "text": str(said), "emoji": bool(), **rest} if not rest and 0 < len(said) <= most:
            return
        case _:
            raise Refusal("invalid_arguments")


def check_metadata(metadata: Any) -> None:
    match metadata:
        case None:
            return
        case {"event_type": str(kind), "event_payload": {} as payload, **rest} if (
            not rest and re.fullmatch(r"[a-z0-9_]{1,255}", kind) and all(isinstance(v, str) for v in payload.values())
        ):
            return
        case _:
            raise Refusal("invalid_metadata_format")


def _check_button(element: Any) -> None:
    match element:
        case {
            "type": "button",
            "action_id": str(action_id),
            "value": str(value),
            "text": {"type": "plain_text", "text": str(label), "emoji": bool()},
            **rest,
        } if not rest and 0 < len(action_id) <= 255 and 0 < len(value) <= 2000 and 0 < len(label) <= 75:
            return
        case _:
            raise Refusal("invalid_blocks")
