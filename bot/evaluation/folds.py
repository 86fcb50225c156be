"""Cross-validation: every example of a catalogue is judged by a classifier that was trained without it.

It must not know how a classifier works, nor count what it gets wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from rapidfuzz import fuzz, process

from bot.catalogue.catalogue import Catalogue, Example, Topic
from bot.evaluation.judging import Judged, Labelled, judge_all
from bot.nlu import trained
from bot.nlu.encoder import Encoder, Vectors, load_encoder
from bot.nlu.text import fold, words
from bot.nlu.threads import limit_threads

FOLDS = 5
SEED = 7
TWIN = 92.0
"""Of 100. So alike that the classifier's search for repeated examples would find the other one."""


def cross_validated(
    catalogue: Catalogue,
    encoder: str,
    *,
    threads: int = 1,
    folds: int = FOLDS,
    told: Callable[[int], None] = lambda _: None,
) -> tuple[Judged, ...]:
    """Each example in the order of the catalogue, as if a customer had written it to a bot that does not know it.

    Twins are held out together: a customer's sentence is no variant of one that the author has just written, so an example that is
    judged with its twin still in the training would only show that the bot can repeat it. ``told`` hears of each fold that is
    done, counted from 1. The same catalogue gives the same folds. ``encoder`` and ``threads`` are those of ``nlu.load``.
    """
    examples = catalogue.examples
    fold_of = assigned(examples, folds)
    limit_threads(threads)
    remembering = Remembering(load_encoder(encoder, threads))
    judged: dict[int, Judged] = {}
    for number in range(folds):
        held_out = [row for row, fold_ in enumerate(fold_of) if fold_ == number]
        classifier = trained(without(catalogue, {examples[row] for row in held_out}), remembering)
        rows = [labelled(examples[row], catalogue) for row in held_out]
        judged.update(zip(held_out, judge_all(rows, catalogue, classifier), strict=True))
        told(number + 1)
    return tuple(judged[row] for row in range(len(examples)))


def labelled(example: Example, catalogue: Catalogue) -> Labelled:
    """An example as a labelled message; its id is its place, ``faq/opening_hours.yaml:12``."""
    topic = catalogue.topics[example.topic]
    return Labelled(
        id=f"{example.file}:{example.line}",
        text=example.text,
        lang=example.language,
        category=example.category,
        faq=topic.id if topic.is_faq else None,
        clarify=topic.vague,
    )


def assigned(examples: Sequence[Example], folds: int) -> tuple[int, ...]:
    """The fold of each example: topics, categories and languages are spread evenly, twins stay together."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, head in enumerate(_twins([key(example) for example in examples])):
        groups[head].append(row)
    strata: dict[tuple[str, str, str], list[list[int]]] = defaultdict(list)
    for head, rows in groups.items():
        strata[examples[head].topic, examples[head].category, examples[head].language].append(rows)
    random = np.random.default_rng(SEED)
    fold_of = [0] * len(examples)
    turn = 0
    for stratum in strata.values():
        for index in random.permutation(len(stratum)):
            for row in stratum[index]:
                fold_of[row] = turn % folds
            turn += 1
    return tuple(fold_of)


def without(catalogue: Catalogue, held_out: set[Example]) -> Catalogue:
    """The catalogue as if nobody had written these examples."""

    def rest(topic: Topic) -> Topic:
        return replace(topic, examples=tuple(example for example in topic.examples if example not in held_out))

    return replace(catalogue, topics={name: rest(topic) for name, topic in catalogue.topics.items()})


def alike(keys: Sequence[str], least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows whose folded texts are at least so alike, 0 to 100; the first row comes before the second."""
    step = 512  # a block of rows at a time, so that memory does not grow with the square of the catalogue
    for start in range(0, len(keys), step):
        scores = process.cdist(keys[start : start + step], keys, scorer=fuzz.ratio, score_cutoff=least)
        for left, right in zip(*np.nonzero(scores), strict=True):
            if start + left < right and keys[right]:
                yield int(start + left), int(right), float(scores[left, right])


class Remembering:
    """An encoder that encodes each text once, however many folds it is part of."""

    def __init__(self, encoder: Encoder) -> None:
        self.name = encoder.name
        self._encoder = encoder
        self._known: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new or not texts:
            vectors = self._encoder.encode(new)
            if not texts:
                return vectors
            self._known.update(zip(new, vectors, strict=True))
        return np.stack([self._known[text] for text in texts])


def key(example: Example) -> str:
    """The folded words of an example: what two spellings of one sentence have in common."""
    return " ".join(words(fold(example.text)))


def _twins(keys: Sequence[str]) -> list[int]:
    """For each row the first row of its group: twins of twins are twins."""
    head = list(range(len(keys)))

    def first(row: int) -> int:
        while head[row] != row:
            head[row] = head[head[row]]
            row = head[row]
        return row

    for left, right, _ in alike(keys, TWIN):
        left, right = sorted((first(left), first(right)))
        head[right] = left
    return [first(row) for row in range(len(keys))]
