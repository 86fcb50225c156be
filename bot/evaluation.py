"""Judges the catalogue in force on labelled messages: what would each customer get first, and how often is that wrong?

It must not know where the messages come from, nor show anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.catalogue.catalogue import Catalogue
from bot.dialogue.decide import decide
from bot.dialogue.decisions import Answer, Decision, HandOff, OpenTicket
from bot.dialogue.turn import Turn
from bot.model import LANGUAGES, Category, ChatRef, Conversation, Language, Prediction
from bot.ports import Classifier

BATCH = 64


class Labelled(BaseModel):
    """One labelled message. ``multi``: all its categories, the first is ``category``. ``clarify``: the bot must ask.

    ``also_ok``: other categories that a careful reader could defend.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    text: str
    lang: Language
    category: Category
    faq: str | None = None
    multi: tuple[Category, ...] = ()
    clarify: bool = False
    also_ok: tuple[Category, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What the bot made of a message: ``action`` is what the customer would get first."""

    row: Labelled
    category: Category
    matters: tuple[Category, ...]
    faq: str | None
    confidence: float
    runner_up: Category | None
    action: str

    @property
    def right(self) -> bool:
        return self.category is self.row.category

    @property
    def defensible(self) -> bool:
        return self.right or self.category in self.row.also_ok or self.category in self.row.multi

    @property
    def refused(self) -> bool:
        """A covered request that is told it is not covered: the worst error, unless an excluded reading could be defended."""
        excusable = any(category.excluded for category in (*self.row.multi, *self.row.also_ok))
        return self.row.category.in_scope and self.action in ("exclude", "decline") and not excusable

    @property
    def missed(self) -> bool:
        return self.row.category.excluded and self.category.in_scope and self.action in ("answer", "ticket")

    def prediction(self) -> dict[str, Any]:
        """The row of a predictions file."""
        return {
            "id": self.row.id,
            "category": self.category.value,
            "matters": [category.value for category in self.matters],
            "faq": self.faq,
            "confidence": round(self.confidence, 4),
            "runner_up": self.runner_up.value if self.runner_up else None,
            "action": self.action,
        }


def judge_all(rows: Sequence[Labelled], catalogue: Catalogue, classifier: Classifier) -> tuple[Judged, ...]:
    """Each message as the first of a fresh conversation of an entitled customer."""
    judged: list[Judged] = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        predictions = classifier.classify([row.text for row in batch])
        judged += [_judged(row, prediction, catalogue) for row, prediction in zip(batch, predictions, strict=True)]
    return tuple(judged)


def _judged(row: Labelled, prediction: Prediction, catalogue: Catalogue) -> Judged:
    conversation = Conversation("evaluation", ChatRef("evaluation", row.id))
    turn = Turn(text=row.text, now=datetime(2026, 1, 1, tzinfo=UTC), prediction=prediction)
    decisions = decide(conversation, turn, catalogue, row.lang).decisions
    matters = prediction.matters
    first = _leading([matter.category for matter in matters])
    return Judged(
        row=row,
        category=matters[first].category,
        matters=tuple(dict.fromkeys(matter.category for matter in matters)),
        faq=next((d.about.topic for d in decisions if isinstance(d, Answer)), None),
        confidence=matters[first].confidence,
        runner_up=matters[first].categories[1][0] if len(matters[first].categories) > 1 else None,
        action=_action(decisions[0]),
    )


def _leading(categories: Sequence[Category]) -> int:
    """Of several matters the covered one leads, as it does in the reply."""
    return next((i for i, category in enumerate(categories) if category.in_scope), 0)


def _action(decision: Decision) -> str:
    match decision:
        case HandOff():
            return "hand_off"
        case OpenTicket():
            return "ticket"
    return decision.kind


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
        "ece": _calibration_error(clear),
    }


def confusion(judged: Sequence[Judged]) -> Mapping[tuple[Category, Category], int]:
    """How often a message of the first category was taken for the second."""
    return Counter((j.row.category, j.category) for j in judged if not j.row.clarify)


def worst(judged: Sequence[Judged], most: int = 20) -> tuple[Judged, ...]:
    """The mistakes that matter most: wrongful refusals, then missed exclusions, then the most confident errors."""
    wrong = [j for j in judged if not j.row.clarify and not j.defensible]
    return tuple(sorted(wrong, key=lambda j: (not j.refused, not j.missed, -j.confidence))[:most])


def reliability(judged: Sequence[Judged], bins: int = 10) -> tuple[tuple[float, float, int], ...]:
    """For each bin of confidence that is not empty: mean confidence, share that was right, number of messages."""
    clear = [j for j in judged if not j.row.clarify]
    rows = []
    for number in range(bins):
        inside = [j for j in clear if min(int(j.confidence * bins), bins - 1) == number]
        if inside:
            rows.append(
                (
                    sum(j.confidence for j in inside) / len(inside),
                    sum(j.right for j in inside) / len(inside),
                    len(inside),
                )
            )
    return tuple(rows)


def _calibration_error(judged: Sequence[Judged]) -> float | None:
    """Expected calibration error with ten bins of equal width (Naeini et al., AAAI 2015)."""
    if not judged:
        return None
    return round(sum(n * abs(confidence - right) for confidence, right, n in reliability(judged)) / len(judged), 4)


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
