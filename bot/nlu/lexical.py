"""Finds examples that a text repeats word for word or nearly so, and can say which.

Conservative: a text near examples of different categories is nobody's. It must not know models.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from bot.nlu.text import fold, words

_NEAR = 92.0  # of 100; a typo or two in a short sentence
_NEIGHBOURHOOD = 84.0  # no example of another label may be as near as this
_SHORTEST = 12  # characters; in shorter texts one letter changes the meaning


@dataclass(frozen=True, slots=True)
class Match:
    """``row`` of the examples is what the text repeats; ``similarity`` 1 is the same words."""

    row: int
    similarity: float


class Lexicon:
    """Examples by their folded words. Labels are compared for equality only."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        self._keys = [_key(text) for text in texts]
        self._labels = tuple(labels)
        self._by_length = sorted(range(len(self._keys)), key=lambda row: len(self._keys[row]))
        self._sorted = [self._keys[row] for row in self._by_length]
        self._lengths = [len(key) for key in self._sorted]
        self._rows: dict[str, int] = {}
        self._contradictory: set[str] = set()
        for row, key in enumerate(self._keys):
            if self._labels[self._rows.setdefault(key, row)] != self._labels[row]:
                self._contradictory.add(key)

    def find(self, text: str) -> Match | None:
        """The example that ``text`` repeats, if there is one and no other label has one as near."""
        key = _key(text)
        if not key or key in self._contradictory:
            return None
        if (row := self._rows.get(key)) is not None:
            return Match(row, 1.0)
        if len(key) < _SHORTEST:
            return None
        if not self._near(key, _NEAR):  # nearly always, so the neighbourhood is looked at only then
            return None
        near = self._near(key, _NEIGHBOURHOOD)
        if len({self._labels[row] for row, _ in near}) > 1:
            return None
        return Match(near[0][0], near[0][1] / 100)

    def _near(self, key: str, least: float) -> list[tuple[int, float]]:
        """Rows whose keys are at least so alike, the most alike first. The lengths alone rule out most of them."""
        shortest = len(key) * least / (200 - least)
        longest = len(key) * (200 - least) / least
        start, end = bisect_left(self._lengths, shortest), bisect_right(self._lengths, longest)
        found = process.extract(key, self._sorted[start:end], scorer=fuzz.ratio, score_cutoff=least, limit=None)
        return [(self._by_length[start + index], score) for _, score, index in found]


def _key(text: str) -> str:
    return " ".join(words(fold(text)))
