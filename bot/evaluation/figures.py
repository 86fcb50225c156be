"""Counts what was judged: shares, calibration, who was taken for whom, and the mistakes that matter most.

It must not know how messages are judged, nor show anything.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.evaluation.judging import Judged
from bot.model import LANGUAGES, Category

BINS = 10


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """The figures of a labelled file, over all and for each language; shares between 0 and 1, None where there was nothing."""
    return {**_figures(judged), **{lang: _figures([j for j in judged if j.row.lang == lang]) for lang in LANGUAGES}}


def _figures(judged: Sequence[Judged]) -> dict[str, Any]:
    clear = [j for j in judged if not j.row.clarify]
    vague = [j for j in judged if j.row.clarify]
    covered = [j for j in clear if j.row.category.in_scope]
    excluded = [j for j in clear if j.row.category.excluded]
    with_faq = [j for j in clear if j.row.faq]
    without_faq = [j for j in clear if not j.row.faq and j.row.category is not Category.SMALL_TALK]
    return {
        "rows": len(judged),
        "accuracy": _share([j.right for j in clear]),
        "accuracy_lenient": _share([j.defensible for j in clear]),
        "macro_f1": _macro_f1(clear),
        "wrongful_refusals": _share([j.refused for j in covered]),
        "missed_exclusions": _share([j.missed for j in excluded]),
        "faq_hit": _share([j.faq == j.row.faq for j in with_faq]),
        "false_faq": _share([j.action == "answer" and j.faq is not None for j in without_faq]),
        "clarify_hit": _share([j.action in ("clarify", "hand_off") for j in vague]),
        "needless_clarifications": _share([j.action == "clarify" for j in clear]),
        "needless_hand_offs": _share([j.needlessly_handed_off for j in clear]),
        "ece": _calibration_error(clear),
    }


def confusion(judged: Sequence[Judged]) -> Mapping[tuple[Category, Category], int]:
    """How often a message of the first category was taken for the second."""
    return Counter((j.row.category, j.category) for j in judged if not j.row.clarify)


def worst(judged: Sequence[Judged], most: int = 20) -> tuple[Judged, ...]:
    """The mistakes that matter most: wrongful refusals, then missed exclusions, then wrong articles, each most confident first."""
    wrong = [j for j in judged if not j.row.clarify and (j.refused or j.missed or j.misinformed or not j.defensible)]
    return tuple(sorted(wrong, key=lambda j: (not j.refused, not j.missed, not j.misinformed, -j.confidence))[:most])


@dataclass(frozen=True, slots=True)
class Bin:
    """Messages whose confidence is about the same: its mean, the share that was right, and how many they are."""

    confidence: float
    right: float
    count: int


def reliability(judged: Sequence[Judged], bins: int = BINS) -> tuple[Bin, ...]:
    """The bins of equal width, least confident first, that are not empty; messages that must be asked about are left out."""
    clear = [j for j in judged if not j.row.clarify]
    inside: dict[int, list[Judged]] = {}
    for j in clear:
        inside.setdefault(min(int(j.confidence * bins), bins - 1), []).append(j)
    return tuple(
        Bin(sum(j.confidence for j in each) / len(each), sum(j.right for j in each) / len(each), len(each))
        for _, each in sorted(inside.items())
    )


def likely(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share that was seen in ``count`` cases (Wilson 1927): what to expect of other messages."""
    if not count:
        return 0.0, 1.0
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    margin = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - margin), min(1.0, middle + margin)


def _calibration_error(judged: Sequence[Judged]) -> float | None:
    """Expected calibration error with ten bins of equal width (Naeini et al., AAAI 2015)."""
    if not judged:
        return None
    return round(sum(b.count * abs(b.confidence - b.right) for b in reliability(judged)) / len(judged), 4)


def _share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 4) if hits else None


def _macro_f1(judged: Sequence[Judged]) -> float | None:
    categories = {j.row.category for j in judged}
    scores = []
    for category in categories:
        both = sum(j.right for j in judged if j.row.category is category)
        taken = sum(j.category is category for j in judged)
        meant = sum(j.row.category is category for j in judged)
        scores.append(2 * both / (taken + meant))
    return round(sum(scores) / len(scores), 4) if scores else None
