"""What commands print on: a terminal that does what we mean and nothing that stands in somebody's words.

A customer's text may hold sequences that fill the clipboard, hide lines or turn the direction of writing. It must not know what
is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def screen(**options: Any) -> Console:
    """A console as Rich has it, through which no control character gets but those that Rich writes itself."""
    console = Console(**options)
    console.push_render_hook(_Harmless())
    return console


class _Harmless(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Cleaned(renderable) for renderable in renderables]


class _Cleaned:
    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(_CONTROLS.sub("", segment.text), segment.style)
