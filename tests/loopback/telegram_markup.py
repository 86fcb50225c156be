"""What Telegram takes as HTML and as a keyboard, and how it refuses the rest.

It must not know about servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer, no error of ours
    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


def check_keyboard(markup: Any) -> None:
    if markup is None:
        return
    if set(markup) != {"inline_keyboard"}:
        raise Refusal(400, "Bad Request: object expected as reply markup")
    buttons = [button for row in markup["inline_keyboard"] for button in row]
    if not 0 < len(buttons) <= 100:
        raise Refusal(400, "Bad Request: reply markup is too long")
    for button in buttons:
        if set(button) != {"text", "callback_data"} or not button["text"]:
            raise Refusal(400, "Bad Request: text buttons are allowed only with exactly one action")
        if not 0 < len(button["callback_data"].encode()) <= 64:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")


def visible(text: str) -> str:
    """The text that Telegram shows for its HTML. Raises Refusal for what Telegram cannot parse."""
    parser = _Html()
    parser.feed(text)
    parser.close()
    if parser.open:
        raise Refusal(400, f"Bad Request: can't parse entities: can't find end tag of {parser.open[-1]}")
    return "".join(parser.text)


class _Html(HTMLParser):
    TAGS: Mapping[str, set[str]] = {
        **{tag: set() for tag in ("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "pre")},
        "a": {"href"},
        "code": {"class"},
        "blockquote": {"expandable"},
    }

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.TAGS or {name for name, _ in attrs} - self.TAGS[tag]:
            raise Refusal(400, f"Bad Request: can't parse entities: unsupported start tag {tag}")
        inside_code = bool({"code", "pre"} & set(self.open)) and (tag, self.open[-1:]) != ("code", ["pre"])
        if inside_code or (tag in {"code", "pre"} and {"b", "i", "s", "a"} & set(self.open)):
            raise Refusal(400, "Bad Request: can't parse entities: code holds and is held by nothing")
        if tag == "blockquote" and tag in self.open:
            raise Refusal(400, "Bad Request: can't parse entities: blockquotes do not nest")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise Refusal(400, f"Bad Request: can't parse entities: unexpected end tag {tag}")

    def handle_data(self, data: str) -> None:
        if "<" in data or "&" in data:
            raise Refusal(400, "Bad Request: can't parse entities: unescaped character")
        self.text.append(data)

    def handle_entityref(self, name: str) -> None:
        characters = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
        if name not in characters:
            raise Refusal(400, f"Bad Request: can't parse entities: unknown entity {name}")
        self.text.append(characters[name])

    def handle_charref(self, name: str) -> None:
        self.text.append(chr(int(name[1:], 16) if name[0] in "xX" else int(name)))

    def handle_comment(self, data: str) -> None:
        raise Refusal(400, "Bad Request: can't parse entities: unsupported start tag")

    def handle_decl(self, decl: str) -> None:
        self.handle_comment(decl)

    def handle_pi(self, data: str) -> None:
        self.handle_comment(data)
