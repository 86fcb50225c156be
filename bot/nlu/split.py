"""Tells the matters of one message apart.

Conservative: a message is one matter unless two parts of it are each clear and plainly of different kinds. It must not know how
the parts were judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model import Category, Matter
from bot.nlu.text import words

_CLEAR = 0.6  # probability from which a part counts as clear
_WORDS = 3  # shorter parts say too little by themselves
_NEVER_ALONE = {Category.SMALL_TALK, Category.OUT_OF_DOMAIN}  # politeness and chatter around a request are not a matter


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence or clause and what it would be by itself."""

    text: str
    matter: Matter


def split(parts: Sequence[Judged], whole: Matter) -> list[int]:
    """Borders of the matters among ``parts``: [0, 2, 3] are parts 0 and 1, and part 2. ``whole`` is the message judged at once."""
    groups = [_group(part) for part in parts]
    borders, current = [0], None
    for index, group in enumerate(groups):
        if group and current and group != current:
            borders.append(index)
        current = group or current
    return [*borders, len(parts)] if parts and whole.source != "exact" else [0, len(parts)]


def _group(part: Judged) -> str | None:
    """What kind of matter a part is for sure; None if it goes with its neighbours."""
    category = part.matter.category
    if (
        len(words(part.text)) < _WORDS
        or part.matter.confidence < _CLEAR
        or part.matter.vague > 1 - _CLEAR
        or category in _NEVER_ALONE
    ):
        return None
    return "in_scope" if category.in_scope else category.value
