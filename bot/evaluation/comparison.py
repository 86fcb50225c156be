"""What an edit changes: the same messages decided with the catalogue before it and with the one after it.

It must not know where the messages come from, nor show anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from bot.catalogue.catalogue import Catalogue
from bot.evaluation.judging import BATCH, leading, outcome
from bot.evaluation.wording import got
from bot.model import Category, Language
from bot.ports import Classifier

REFUSALS = ("exclude", "decline")


class Sample(BaseModel):
    """A message; ``category``: what it is, if somebody has labelled it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    text: str
    lang: Language | None = None
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What one catalogue makes of a message."""

    category: Category
    action: str
    faq: str | None
    confidence: float

    @property
    def words(self) -> str:
        return f"{got(self.action, self.faq)} ({self.category.value}, {self.confidence:.0%})"

    def data(self) -> Mapping[str, object]:
        return {
            "category": self.category.value,
            "action": self.action,
            "faq": self.faq,
            "confidence": round(self.confidence, 4),
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A message that would be decided differently."""

    sample: Sample
    old: Decided
    new: Decided

    @property
    def covered(self) -> bool:
        """By its label; without one, by what the old catalogue took it for."""
        category = self.sample.category or self.old.category
        return category.in_scope or category is Category.HUMAN_REQUEST

    @property
    def refused(self) -> bool:
        """Covered, and now told that it is not: the worst that an edit can do."""
        return self.covered and self.new.action in REFUSALS and self.old.action not in REFUSALS

    @property
    def kind(self) -> str:
        """The change in a few words; KINDS has their order, the worst first."""
        old, new = self.old, self.new
        if self.refused:
            return KINDS[0]
        if old.action == "exclude" and new.action in ("answer", "ticket"):
            return KINDS[1]
        if new.action == "small_talk" and old.action != "small_talk":
            return KINDS[2]
        if new.action == old.action == "answer" and new.faq != old.faq:
            return KINDS[3]
        if new.action == old.action:
            return KINDS[8]
        return {"answer": KINDS[4], "hand_off": KINDS[5], "clarify": KINDS[6], "ticket": KINDS[7]}.get(
            new.action, KINDS[9]
        )

    def data(self) -> Mapping[str, object]:
        return {
            "id": self.sample.id,
            "text": self.sample.text,
            "kind": self.kind,
            "old": self.old.data(),
            "new": self.new.data(),
        }


KINDS = (
    "covered, and now refused",
    "no longer recognised as excluded",
    "now taken for chat",
    "another article",
    "now an article",
    "now a person",
    "now a question",
    "now a ticket",
    "another category, the same reply",
    "other",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``changes`` are in the order of KINDS, the surest first; ``compared`` counts the messages."""

    compared: int
    changes: tuple[Change, ...]

    @property
    def refused(self) -> int:
        return sum(change.refused for change in self.changes)

    @property
    def kinds(self) -> Mapping[str, int]:
        found = Counter(change.kind for change in self.changes)
        return {kind: found[kind] for kind in KINDS if found[kind]}


def compared(
    samples: Sequence[Sample],
    old: tuple[Catalogue, Classifier],
    new: tuple[Catalogue, Classifier],
    default_language: Language,
) -> Comparison:
    """Each message as the first of a fresh conversation of an entitled customer, once with each catalogue."""
    before, after = (_decided(samples, *each, default_language) for each in (old, new))
    changes = [
        Change(sample, one, other)
        for sample, one, other in zip(samples, before, after, strict=True)
        if (one.category, one.action, one.faq) != (other.category, other.action, other.faq)
    ]
    changes.sort(key=lambda change: (KINDS.index(change.kind), -change.new.confidence))
    return Comparison(len(samples), tuple(changes))


def _decided(
    samples: Sequence[Sample], catalogue: Catalogue, classifier: Classifier, default_language: Language
) -> list[Decided]:
    decided = []
    for start in range(0, len(samples), BATCH):
        batch = samples[start : start + BATCH]
        for sample, prediction in zip(batch, classifier.classify([s.text for s in batch]), strict=True):
            action, faq = outcome(sample.text, sample.lang or default_language, prediction, catalogue)
            matter = leading(prediction)
            decided.append(Decided(matter.category, action, faq, matter.confidence))
    return decided
