"""Tells the matters of one message apart, and chatter from matters.

Conservative: a message is one matter unless two parts of it are each clear and plainly of different kinds. It must not know how
the parts were judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.model import Category, Matter
from bot.nlu.text import words

_CLEAR = 0.6  # probability from which a part counts as clear
_SURELY_CHATTER = 0.85  # what is left aside must be no request for sure
_CERTAIN = 0.85  # probability from which an article is asked for, whatever stands around it
_WORDS = 3  # shorter parts say too little by themselves
_REFERS = 5  # a short part with one of these words is about what stands beside it: "Was kostet das?"
_REFERRING = re.compile(
    r"\b(?i:das|dies|es|dafür|davon|dazu|that|this|it|those)\b(?!\s+[A-ZÄÖÜ])"
)  # "Das Portal" is an article
_CHATTER = frozenset({Category.SMALL_TALK, Category.OUT_OF_DOMAIN})  # around a request it is no matter of its own


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence or clause and what it would be by itself."""

    text: str
    matter: Matter


def split(parts: Sequence[Judged], whole: Matter) -> list[tuple[int, ...]]:
    """The matters as the parts that they consist of: [(0, 1), (2,)] are parts 0 and 1, and part 2.

    Thanks, small talk and attempts to reprogram the bot belong to no matter as long as something is left without them. ``whole`` is
    the message judged at once.
    """
    if not parts or whole.source == "exact":
        return [tuple(range(len(parts)))]
    groups = [_group(part) for part in parts]
    meant = any(groups) or any(_is_trouble(part) for part in parts)
    chatter = {index for index, part in enumerate(parts) if _is_chatter(part)} if meant else set[int]()
    matters: list[list[int]] = [[]]
    current: str | None = None
    for index, group in enumerate(groups):
        if index in chatter:
            continue
        if group and current and group != current:
            matters.append([])
        matters[-1].append(index)
        current = group or current
    return [tuple(matter) for matter in matters]


def _is_chatter(part: Judged) -> bool:
    return part.matter.category in _CHATTER and part.matter.confidence >= _SURELY_CHATTER


def _is_trouble(part: Judged) -> bool:
    """Whether it says that something is wrong, however little it says: "geht nicht" is no thanks, whatever stands before it."""
    return part.matter.category is Category.ERROR_REPORT and part.matter.confidence >= _CERTAIN


def _group(part: Judged) -> str | None:
    """What kind of matter a part is for sure; None if it goes with its neighbours."""
    matter, count = part.matter, len(words(part.text))
    if count < _WORDS or (count <= _REFERS and _REFERRING.search(part.text)):
        return None
    if matter.confidence < _CLEAR or matter.vague > 1 - _CLEAR or matter.category in _CHATTER:
        return None
    if not matter.category.in_scope:
        return matter.category.value
    # A question that an article answers stands by itself, even beside a fault: "... Also, until when can we reach you today?"
    if matter.faq is not None and matter.faq[1] >= _CERTAIN and matter.category is not Category.ERROR_REPORT:
        return matter.faq[0]
    return "in_scope"
