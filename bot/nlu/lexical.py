"""Finds examples that a text repeats word for word or nearly so, and can say which.

Conservative: a text near examples of different categories is nobody's. It must not know models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from bot.nlu.text import fold, words

_NEAR = 92.0  # of 100; a typo or two in a short sentence
_NEIGHBOURHOOD = 84.0  # no example of another label may be as near as this
_SHORTEST = 12  # characters; in shorter texts one letter changes the meaning
_BITS = 256  # of a signature
_TOUCHED = 3  # pairs of letters at most that come or go when one letter does


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
        self._lengths = np.array([len(key) for key in self._sorted])
        self._signatures = _signatures(self._sorted)
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
        """Rows whose keys are at least so alike, the most alike first.

        From one such key to the other few letters come or go (``fuzz.ratio`` counts those), so that their lengths and their
        signatures differ by little. That rules out nearly all without a comparison, and none that is so alike.
        """
        apart = (100 - least) / 100  # letters that may come or go, for each letter of both keys
        shortest = len(key) * least / (200 - least)
        longest = len(key) * (200 - least) / least
        start, end = np.searchsorted(self._lengths, shortest), np.searchsorted(self._lengths, longest, side="right")
        differing = np.bitwise_count(self._signatures[:, start:end] ^ _signatures([key])).sum(axis=0, dtype=np.uint16)
        most = _TOUCHED * apart * (len(key) + self._lengths[start:end])
        rows = start + np.flatnonzero(differing <= most + 0.01)  # more than what rounding may take away
        found = process.extract(
            key, [self._sorted[row] for row in rows], scorer=fuzz.ratio, score_cutoff=least, limit=None
        )
        return [(self._by_length[rows[index]], score) for _, score, index in found]


def _signatures(keys: Sequence[str]) -> NDArray[np.uint64]:
    """Which pairs of neighbouring letters each key has, as bits, shape (_BITS / 64, keys). Several pairs share a bit."""
    letters = np.frombuffer("".join(keys).encode("utf-32-le"), dtype=np.uint32)
    row = np.repeat(np.arange(len(keys)), [len(key) for key in keys])
    first = np.flatnonzero(row[:-1] == row[1:])
    bits = np.zeros((len(keys), _BITS), dtype=np.bool_)
    bits[row[first], (31 * letters[first] + letters[first + 1]) % _BITS] = True
    return np.ascontiguousarray(np.packbits(bits, axis=1).view(np.uint64).T)


def _key(text: str) -> str:
    return " ".join(words(fold(text)))
