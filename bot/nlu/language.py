"""Tells German from English by letter groups and words, learned from the examples themselves.

It must not know other languages' rules or word lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.model import LANGUAGES, Language
from bot.nlu.text import fold, words

_EVIDENCE = 3.0  # log odds (20 to 1) below which a text shows no language
_LOUDEST = 2.5  # what a single feature may contribute: one foreign word does not make a language


@dataclass(frozen=True, slots=True)
class Detector:
    """Naive Bayes over words and letter groups. ``odds`` are log odds of the first of LANGUAGES against the second."""

    odds: dict[str, float]

    @classmethod
    def train(cls, texts: Sequence[str], languages: Sequence[Language]) -> Detector:
        """Learn from texts and their languages."""
        seen = {
            language: Counter(
                _features(text for text, spoken in zip(texts, languages, strict=True) if spoken == language)
            )
            for language in LANGUAGES
        }
        every = set().union(*seen.values())
        total = {language: sum(counts.values()) + len(every) for language, counts in seen.items()}
        first, second = LANGUAGES
        return cls(
            {
                feature: max(-_LOUDEST, min(_LOUDEST, odds))
                for feature in sorted(every)
                if abs(
                    odds := log((seen[first][feature] + 1) / total[first])
                    - log((seen[second][feature] + 1) / total[second])
                )
                > 0.2
            }
        )

    def detect(self, text: str) -> Language | None:
        """The language of ``text``, or None when it shows none."""
        evidence = sum(self.odds.get(feature, 0.0) for feature in _features([text]))
        if abs(evidence) < _EVIDENCE:
            return None
        return LANGUAGES[0] if evidence > 0 else LANGUAGES[1]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that ``from_arrays`` needs, without pickled objects."""
        return {
            "language_features": np.array("\n".join(self.odds)),
            "language_odds": np.array(list(self.odds.values()), dtype=np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Detector:
        features = str(arrays["language_features"]).split("\n") if len(arrays["language_odds"]) else []
        return cls(dict(zip(features, arrays["language_odds"].tolist(), strict=True)))


def _features(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for word in words(fold(text)):
            if word.isalpha():
                padded = f" {word} "
                yield padded
                yield from (padded[start : start + 3] for start in range(len(padded) - 2) if len(word) > 1)
