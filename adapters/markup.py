"""Markdown read into runs of styled text, and runs split into pieces at sensible places.

It must not know how any platform writes a style, only how to be told when a piece is too long.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

Kind = Literal["bold", "italic", "strike", "code", "pre", "quote", "link"]


@dataclass(frozen=True, slots=True)
class Style:
    """``detail`` is the address of a link, the language of preformatted text."""

    kind: Kind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in the same styles, outermost first."""

    text: str
    styles: tuple[Style, ...] = ()

    def has(self, kind: Kind) -> bool:
        return any(style.kind == kind for style in self.styles)


DEEPEST = 20
"""Quotations and lists within each other; of what lies deeper the parser would keep nothing."""
SHORT = 4000
"""Characters up to which it is remembered how a text reads."""

# Definitions of links show nothing, so that a line such as ``[1]: https://example.com`` would be lost.
_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST}).enable("strikethrough").disable("reference")
)
_STYLES: dict[str, Kind] = {"strong": "bold", "em": "italic", "s": "strike", "heading": "bold", "blockquote": "quote"}
_ADDRESS = re.compile(r"(https?://|mailto:|tel:|tg://)\S+", re.IGNORECASE)


def parse(markdown: str) -> tuple[Run, ...]:
    """Read Markdown. Whatever is no known markup stays text, and so does all of it if nothing could be seen of it, or if it is
    nested too deep; of a link that leads nowhere only the label stays.
    """
    return _remembered(markdown) if len(markdown) <= SHORT else _read(markdown)


def _read(markdown: str) -> tuple[Run, ...]:
    tokens, reader = _MARKDOWN.parse(markdown), _Reader()
    for token in tokens:
        reader.block(token)
    if any(map(_too_deep, tokens)) or not any(run.text.strip() for run in reader.runs):
        return (Run(markdown),) if markdown.strip() else ()
    # Each escaped character comes as a run of its own: what wears the same is put together, or splitting would take long.
    return tuple(
        Run(text, styles)
        for styles, runs in groupby(reader.runs, key=lambda run: run.styles)
        if (text := "".join(run.text for run in runs))
    )


_remembered = lru_cache(maxsize=256)(_read)  # a bot says much of what it says again and again


def _too_deep(token: Token) -> bool:
    return token.type in {"blockquote_open", "list_item_open"} and token.level >= DEEPEST - 1


class _Reader:
    def __init__(self) -> None:
        self.runs: list[Run] = []
        self._worn: list[tuple[Style, ...]] = [()]  # what text wears by now; what is opened twice is worn once
        self._items: list[int | None] = []  # for each open list: the number of its next item, None if it has bullets
        self._marker = ""  # of a list item whose text has not come yet
        self._list_begins = False

    def block(self, token: Token) -> None:
        name, _, event = token.type.rpartition("_")
        match name, event:
            case (("bullet_list" | "ordered_list"), "open"):
                self._list_begins = not self._items
                self._items.append(int(token.attrs.get("start", 1)) if name == "ordered_list" else None)
            case (("bullet_list" | "ordered_list"), "close"):
                self._items.pop()
            case "list_item", "open":
                number = self._items[-1]
                self._marker = "• " if number is None else f"{number}. "
                self._items[-1] = None if number is None else number + 1
            case "paragraph", "open":
                self._begin(tight=token.hidden)
            case (("heading" | "blockquote"), "close"):
                self._worn.pop()
            case "heading", "open":
                self._begin()
                self._open(Style("bold"))
            case "blockquote", "open":
                self._open(Style("quote"))
            case _:
                self._leaf(token)

    def _leaf(self, token: Token) -> None:
        match token.type:
            case "inline":
                for child in token.children or ():
                    self._inline(child)
            case "fence" | "code_block":
                self._begin()
                # Several words are no language but what somebody began to write right behind the fence.
                words = token.info.split()
                content = token.content if len(words) < 2 else f"{token.info}\n{token.content}"
                self._add(content.rstrip("\n"), Style("pre", words[0] if len(words) == 1 else ""))
            case "hr":
                self._begin()
                self._add("———")

    def _begin(self, *, tight: bool = False) -> None:
        """Part this block from the one before, and write the marker of its list item."""
        if self.runs:
            # The gap wears the quotation that both neighbours are in, so that a quotation stays one piece.
            shared = [a for a, b in zip(self.runs[-1].styles, self._worn[-1], strict=False) if a == b]
            self.runs.append(Run("\n" if tight and not self._list_begins else "\n\n", tuple(shared)))
        if self._items:
            indent = "  " * (len(self._items) - 1)
            self._add(indent + (self._marker or "  "))
        self._marker, self._list_begins = "", False

    def _inline(self, token: Token) -> None:
        name, _, event = token.type.rpartition("_")
        match token.type:
            case "text":
                self._add(token.content)
            case "softbreak" | "hardbreak":
                self._add("\n")
            case "code_inline":
                self._add(token.content, Style("code"))
            case "image":
                self._add(token.content or str(token.attrs.get("src", "")), *_link(token.attrs.get("src")))
            case "link_open":
                self._open(*_link(token.attrs.get("href")))
            case _ if event == "open":
                self._open(Style(_STYLES[name]))
            case _ if event == "close":
                self._worn.pop()

    def _open(self, *styles: Style) -> None:
        """None for a link that leads nowhere: its end finds something to take off all the same."""
        self._worn.append(self._wearing(*styles))

    def _add(self, text: str, *styles: Style) -> None:
        self.runs.append(Run(text, self._wearing(*styles)))

    def _wearing(self, *styles: Style) -> tuple[Style, ...]:
        worn = self._worn[-1]
        return (*worn, *(style for style in styles if style not in worn))


def _link(address: object) -> list[Style]:
    return [Style("link", address)] if isinstance(address, str) and _ADDRESS.fullmatch(address) else []


# --- splitting ------------------------------------------------------------------------------------

_BREAKS = tuple(re.compile(pattern) for pattern in (r"\n\n+", r"\n", r"[.!?…:]\s+", r"\s+"))


def split(runs: Sequence[Run], limit: int, size: Callable[[Sequence[Run]], int]) -> Iterator[tuple[Run, ...]]:
    """Cut into pieces of at most ``limit``: between paragraphs, lines, sentences, words, in that order of preference.

    ``size`` measures runs; for each character it must count at least 1.
    """
    rest = deque(runs)
    while window := tuple(
        _taken(rest, max(limit, 1))
    ):  # never more than can fit, or a long text would be copied for each piece
        text = "".join(run.text for run in window)
        end = _reach(window, len(text), limit, size)
        if rest or end < len(text):
            end = _boundary(text[:end])
        piece = text[:end]
        first, last = len(piece) - len(piece.lstrip("\n")), len(piece.rstrip())
        if first < last:
            yield _cut(window, first, last)
        rest.extendleft(reversed(_cut(window, end, len(text))))


def _taken(rest: deque[Run], length: int) -> Iterator[Run]:
    """The first ``length`` characters, taken off ``rest``."""
    while rest and length > 0:
        run = rest.popleft()
        if len(run.text) > length:
            rest.appendleft(replace(run, text=run.text[length:]))
            run = replace(run, text=run.text[:length])
        length -= len(run.text)
        yield run


def _reach(runs: Sequence[Run], most: int, limit: int, size: Callable[[Sequence[Run]], int]) -> int:
    """How many characters fit; at least one, or there would be no end."""
    if size(runs) <= limit:
        return most  # nearly every message, and measuring is writing it
    return max(1, bisect_right(range(1, most + 1), limit, key=lambda end: size(_cut(runs, 0, end))))


def _cut(runs: Sequence[Run], start: int, end: int) -> tuple[Run, ...]:
    pieces, position = [], 0
    for run in runs:
        if position >= end:
            break
        if text := run.text[max(start - position, 0) : end - position]:
            pieces.append(run if len(text) == len(run.text) else replace(run, text=text))
        position += len(run.text)
    return tuple(pieces)


def _boundary(text: str) -> int:
    """Where to end a piece that must end within ``text``; a place in its first third would waste too much."""
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(text)]
        if ends and ends[-1] > len(text) // 3:
            return ends[-1]
    return len(text)
