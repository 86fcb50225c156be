"""The operating point in words that an admin understands, and what other costs in agreement.yaml would change about it.

It must not know how its sentences and rows are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from bot.agreement.agreement import Costs
from bot.catalogue.catalogue import Catalogue
from bot.evaluation.figures import figures, likely
from bot.evaluation.judging import Judged, judge
from bot.model import Category

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Consequence:
    """Something that happens to some messages of a kind: ``hits`` of ``of`` that could be judged."""

    key: str
    words: str
    hits: int
    of: int

    @property
    def share(self) -> float:
        return self.hits / self.of if self.of else 0.0

    def __str__(self) -> str:
        low, high = (round(1000 * bound) for bound in likely(self.share, self.of))
        return f"{self.words.format(round(1000 * self.share))} (likely between {low} and {high})."


@dataclass(frozen=True, slots=True)
class Turned:
    """What the consequences would be if the cost ``name`` were ``value``; ``factor`` is that of the cost in force."""

    name: str
    value: float
    factor: float
    consequences: tuple[Consequence, ...]


def consequences(judged: Sequence[Judged]) -> tuple[Consequence, ...]:
    """What customers and staff would get out of these messages, the worst first; what cannot be judged is left out."""
    found = (
        Consequence(key, words, sum(hit(j) for j in among), len(among))
        for key, words, asked, hit in _KINDS
        if (among := [j for j in judged if asked(j)])
    )
    return tuple(found)


def in_words(judged: Sequence[Judged]) -> tuple[str, ...]:
    """One sentence for each consequence, and one about how far the bot's own certainty can be trusted."""
    sentences = [str(consequence) for consequence in consequences(judged)]
    error = figures(judged)["ece"]
    if error is not None:
        sentences.append(
            f"When the bot says how sure it is, that is off by {100 * error:.0f} percentage points on average."
        )
    return tuple(sentences)


def turned(judged: Sequence[Judged], catalogue: Catalogue) -> tuple[Turned, ...]:
    """The same messages decided with each cost multiplied by each of FACTORS while the others stay as they are.

    Nothing is classified again: only what was understood is weighed anew.
    """
    found = []
    for field in fields(Costs):
        for factor in FACTORS:
            value = getattr(catalogue.agreement.costs, field.name) * factor
            other = (
                judged
                if factor == 1
                else [judge(j.row, j.understood, _at(catalogue, field.name, value)) for j in judged]
            )
            found.append(Turned(field.name, value, factor, consequences(other)))
    return tuple(found)


def by_cost(turned: Sequence[Turned]) -> Iterator[tuple[str, list[Turned]]]:
    """The values of each cost together, in the order in which they come."""
    names = dict.fromkeys(each.name for each in turned)
    yield from ((name, [each for each in turned if each.name == name]) for name in names)


def _at(catalogue: Catalogue, name: str, value: float) -> Catalogue:
    agreement = catalogue.agreement
    return replace(catalogue, agreement=replace(agreement, costs=replace(agreement.costs, **{name: value})))


def _clear(j: Judged) -> bool:
    return not j.row.clarify


def _request(j: Judged) -> bool:
    return _clear(j) and j.row.category is not Category.SMALL_TALK


_KINDS: tuple[tuple[str, str, Callable[[Judged], bool], Callable[[Judged], bool]], ...] = (
    (
        "wrongful_refusals",
        "Of 1,000 covered requests about {} would be told that they are not covered",
        lambda j: _clear(j) and j.row.category.in_scope,
        lambda j: j.refused,
    ),
    (
        "missed_exclusions",
        "Of 1,000 requests that the agreement excludes about {} would be treated as covered",
        lambda j: _clear(j) and j.row.category.excluded,
        lambda j: j.missed,
    ),
    (
        "ignored",
        "Of 1,000 requests about {} would be taken for mere chat",
        _request,
        lambda j: j.action == "small_talk",
    ),
    (
        "wrong_articles",
        "Of 1,000 requests about {} would get an article that does not fit",
        _request,
        lambda j: j.misinformed,
    ),
    (
        "right_articles",
        "Of 1,000 requests that an article answers about {} would get that article",
        lambda j: _clear(j) and j.row.faq is not None,
        lambda j: j.action == "answer" and j.faq == j.row.faq,
    ),
    (
        "needless_clarifications",
        "Of 1,000 clear messages about {} would be answered with a question",
        _clear,
        lambda j: j.action == "clarify",
    ),
    (
        "needless_hand_offs",
        "Of 1,000 clear messages about {} would go to a person although the bot could have dealt with them",
        _clear,
        lambda j: j.needlessly_handed_off,
    ),
    (
        "asked",
        "Of 1,000 messages that say too little about {} would be asked back or handed to a person",
        lambda j: j.row.clarify,
        lambda j: j.action in ("clarify", "hand_off"),
    ),
)
