"""Words and letters of a text as a sparse, weighted vector.

Plain numpy and dictionaries, because importing scikit-learn's vectorisers alone takes longer than a start from the cache may. It
must not know labels or models.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.nlu.text import fold, words

Sparse = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Column numbers and their values."""

_LONGEST_WORD = 60  # letters
_REMEMBERED = 4096  # words whose letters are known; about a kilobyte each


def word_grams(text: str) -> Iterator[str]:
    """Words and pairs of neighbouring words of a folded text."""
    found = words(text)
    yield from found
    for left, right in itertools.pairwise(found):
        yield f"{left} {right}"


def letter_grams(text: str) -> Iterator[str]:
    """Runs of 3 and 4 characters within words, word boundaries as spaces (scikit-learn's ``char_wb``)."""
    return itertools.chain.from_iterable(_runs(word[:_LONGEST_WORD]) for word in text.split())


@lru_cache(maxsize=_REMEMBERED)
def _runs(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    return tuple(padded[start : start + size] for size in (3, 4) for start in range(max(1, len(padded) - size + 1)))


@dataclass(frozen=True, slots=True)
class Block:
    """One kind of features: log term frequency times inverse document frequency, of unit length."""

    grams: Callable[[str], Iterable[str]]
    columns: dict[str, int]
    idf: NDArray[np.float32]

    @classmethod
    def fit(cls, grams: Callable[[str], Iterable[str]], texts: Sequence[str], least: int) -> Block:
        """Learn the features that at least ``least`` of the ``texts`` have."""
        seen: Counter[str] = Counter()
        for text in texts:
            seen.update(set(grams(text)))
        columns = {gram: column for column, gram in enumerate(sorted(g for g, count in seen.items() if count >= least))}
        counts = np.fromiter((seen[gram] for gram in columns), dtype=np.float32, count=len(columns))
        return cls(grams, columns, np.log((1 + len(texts)) / (1 + counts)).astype(np.float32) + 1)

    def row(self, text: str) -> Sparse:
        counts = Counter(map(self.columns.get, self.grams(text)))
        counts.pop(None, None)  # of all that nobody has taught
        columns = np.fromiter(counts.keys(), dtype=np.int32, count=len(counts))
        values = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
        values = (1 + np.log(values)) * self.idf[columns]
        norm = float(np.sqrt(values @ values))
        return columns, values / norm if norm else values


@dataclass(frozen=True, slots=True)
class Tfidf:
    """Words beside letters; ``row`` takes a text as it is and folds it. Rows have unit length, or length 0 if nothing is known."""

    words: Block
    letters: Block

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Tfidf:
        folded = [fold(text) for text in texts]
        return cls(Block.fit(word_grams, folded, least=1), Block.fit(letter_grams, folded, least=2))

    @property
    def width(self) -> int:
        return len(self.words.columns) + len(self.letters.columns)

    def row(self, text: str) -> Sparse:
        folded = fold(text)
        (left, left_values), (right, right_values) = self.words.row(folded), self.letters.row(folded)
        columns = np.concatenate([left, right + np.int32(len(self.words.columns))])
        return columns, np.concatenate([left_values, right_values]) * np.float32(0.5**0.5)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that ``from_arrays`` needs, without pickled objects."""
        return {
            "words": _packed(self.words.columns),
            "letters": _packed(self.letters.columns),
            "words_idf": self.words.idf,
            "letters_idf": self.letters.idf,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Tfidf:
        def block(grams: Callable[[str], Iterable[str]], name: str) -> Block:
            return Block(grams, _unpacked(arrays[name]), arrays[f"{name}_idf"])

        return cls(block(word_grams, "words"), block(letter_grams, "letters"))


def _packed(columns: dict[str, int]) -> NDArray[np.uint8]:
    """Names in their order as UTF-8; no name holds a line break."""
    return np.frombuffer("\n".join(columns).encode(), dtype=np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> dict[str, int]:
    names = packed.tobytes().decode().split("\n") if len(packed) else []
    return {gram: column for column, gram in enumerate(names)}
