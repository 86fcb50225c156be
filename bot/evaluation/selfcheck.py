"""Holds a catalogue to its own word: each topic's ``checks`` must lead to what the topic promises.

It must not know when this is asked, nor what follows from a failure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.catalogue.catalogue import Catalogue, Example, Topic
from bot.catalogue.problems import Problem
from bot.evaluation.folds import labelled
from bot.evaluation.judging import Judged, judge_all
from bot.evaluation.wording import got
from bot.model import Category
from bot.ports import Classifier

_PROMISES = {
    Category.SMALL_TALK: "small_talk",
    Category.OUT_OF_DOMAIN: "decline",
    Category.HUMAN_REQUEST: "hand_off",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that does not hold: the customer would get something else than its topic promises."""

    check: Example
    judged: Judged

    @property
    def promise(self) -> tuple[str, str, str]:
        """What identifies the check, wherever it stands."""
        return self.check.topic, self.check.language, self.check.text

    @property
    def harmful(self) -> bool:
        """The customer would be told something wrong. The other failures are caution: a question, a ticket, a person."""
        j = self.judged
        ignored = j.action == "small_talk" and j.row.category is not Category.SMALL_TALK
        return j.refused or j.missed or j.misinformed or ignored

    @property
    def problem(self) -> Problem:
        j = self.judged
        nearest = next(iter(j.matter.nearest), None)
        because = f', nearest to "{nearest.text}" of {nearest.topic}' if nearest and nearest.similarity >= 0.2 else ""
        message = (
            f'The check "{self.check.text}" of the topic {self.check.topic} does not hold: it is understood as '
            f"{j.category} ({j.confidence:.0%} sure{because}), so the customer {got(j.action, j.faq)}"
        )
        remedy = "Add examples like it here, or move or delete the examples elsewhere that draw it away."
        return Problem(self.check.file, self.check.line, 1, "error" if self.harmful else "warning", message, remedy)


def failures(catalogue: Catalogue, classifier: Classifier) -> tuple[Failure, ...]:
    """The checks that do not hold, in the order of the catalogue."""
    checks = [check for topic in catalogue.topics.values() for check in topic.checks]
    judged = judge_all([labelled(check, catalogue) for check in checks], catalogue, classifier)
    return tuple(
        Failure(check, j)
        for check, j in zip(checks, judged, strict=True)
        if not _holds(j, catalogue.topics[check.topic])
    )


def broken(new: Iterable[Failure], old: Iterable[Failure]) -> tuple[Failure, ...]:
    """Those of ``new`` that an edit is to blame for: they held before, or are checks that it has brought along."""
    known = {failure.promise for failure in old}
    return tuple(failure for failure in new if failure.promise not in known)


def _holds(j: Judged, topic: Topic) -> bool:
    if topic.vague:
        return j.action in ("clarify", "hand_off")
    if topic.is_faq:
        return j.action == "answer" and j.faq == topic.id
    if topic.category.excluded:
        return j.action == "exclude" and j.category is topic.category
    if topic.category.in_scope:
        return j.action == "ticket" and j.category is topic.category
    return j.action == _PROMISES[topic.category]
