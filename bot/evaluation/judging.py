"""Judges a catalogue on labelled messages: what would each customer get first?

It must not know where the messages come from, nor count or show anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.catalogue.catalogue import Catalogue
from bot.dialogue.decide import decide
from bot.dialogue.decisions import Answer, Decision, HandOff, OpenTicket
from bot.dialogue.turn import Turn
from bot.model import Category, ChatRef, Conversation, Language, Matter, Prediction
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
    """What the bot made of a message: ``action`` is what the customer would get first, ``understood`` what it rests on."""

    row: Labelled
    understood: Prediction
    faq: str | None
    action: str

    @property
    def matter(self) -> Matter:
        return leading(self.understood)

    @property
    def blamed(self) -> Matter:
        """The matter that explains what the customer gets first: where something was refused, the one that may be."""
        refused = {
            "exclude": [m for m in self.understood.matters if m.category.excluded],
            "decline": [m for m in self.understood.matters if m.category is Category.OUT_OF_DOMAIN],
        }
        return next(iter(refused.get(self.action, ())), self.matter)

    @property
    def category(self) -> Category:
        return self.matter.category

    @property
    def confidence(self) -> float:
        return self.matter.confidence

    @property
    def matters(self) -> tuple[Category, ...]:
        return tuple(dict.fromkeys(matter.category for matter in self.understood.matters))

    @property
    def runner_up(self) -> Category | None:
        ranked = self.matter.categories
        return ranked[1][0] if len(ranked) > 1 else None

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
    def misinformed(self) -> bool:
        """Where an article fits, another was given; where none fits, one was given."""
        if self.action != "answer" or self.faq is None or self.row.category is Category.SMALL_TALK:
            return False
        return self.faq != self.row.faq

    @property
    def needlessly_handed_off(self) -> bool:
        """A person reads what an article would have answered, or what asks for nothing."""
        idle = self.row.faq is not None or self.row.category in (Category.SMALL_TALK, Category.OUT_OF_DOMAIN)
        if self.row.category is Category.HUMAN_REQUEST:
            return False
        return self.action == "hand_off" or (self.action == "ticket" and idle)

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
        judged += [judge(row, prediction, catalogue) for row, prediction in zip(batch, predictions, strict=True)]
    return tuple(judged)


def judge(row: Labelled, prediction: Prediction, catalogue: Catalogue) -> Judged:
    """What ``catalogue`` makes of a message that is understood already, so that its costs can be changed cheaply."""
    action, faq = outcome(row.text, row.lang, prediction, catalogue)
    return Judged(row, prediction, faq, action)


def outcome(text: str, language: Language, prediction: Prediction, catalogue: Catalogue) -> tuple[str, str | None]:
    """What the customer would get first, and the article among it; ``language`` is spoken where the text shows none."""
    conversation = Conversation("evaluation", ChatRef("evaluation", "evaluation"))
    turn = Turn(text=text, now=datetime(2026, 1, 1, tzinfo=UTC), prediction=prediction)
    decisions = decide(conversation, turn, catalogue, language).decisions
    return action_of(decisions[0]), next((d.about.topic for d in decisions if isinstance(d, Answer)), None)


def leading(prediction: Prediction) -> Matter:
    """Of several matters the covered one leads, as it does in the reply."""
    matters = prediction.matters
    return next((matter for matter in matters if matter.category.in_scope), matters[0])


def action_of(decision: Decision) -> str:
    match decision:
        case HandOff():
            return "hand_off"
        case OpenTicket():
            return "ticket"
    return decision.kind
