"""How alike two texts are: a kernel over the words, the letters and the meaning of texts.

What is learned is a weighing of examples by this likeness, so that every decision can name the examples that it rests on. It must
not know labels or what is learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.nlu.encoder import Vectors
from bot.nlu.tfidf import Sparse, Tfidf

Floats = NDArray[np.float32]

_SPELLING = 0.2  # share of words and letters beside the meaning
_STEEPNESS = 2.0  # how fast likeness falls with the angle between two meanings
_BLOCK = 1024  # rows of the matrix that are computed at once
_AXES = 256  # of the encoder's dimensions, those along which the examples differ most: the rest costs time and tells nothing


@dataclass(frozen=True, slots=True)
class Memory:
    """The texts of the examples in a form to compare others with.

    ``starts``, ``rows`` and ``values`` list for each feature of ``tfidf`` the examples that have it. ``axes`` (d, a) turn what the
    encoder gives, d may be 0, into ``vectors`` (n, a). Those lie column by column, so that comparing few texts takes half the time.
    """

    tfidf: Tfidf
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: Floats
    axes: Floats
    vectors: Vectors

    @classmethod
    def of(cls, texts: Sequence[str], vectors: Vectors) -> Memory:
        tfidf = Tfidf.fit(texts)
        found = [tfidf.row(text) for text in texts]
        columns, values = (np.concatenate([row[part] for row in found]) for part in (0, 1))
        rows = np.repeat(np.arange(len(texts), dtype=np.int32), [len(row[0]) for row in found])
        order = np.argsort(columns, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=tfidf.width))])
        axes = _axes(unit(vectors))
        vectors = np.asfortranarray(unit(vectors) @ axes)
        return cls(tfidf, starts, rows[order], values[order].astype(np.float32), axes, vectors)

    def __len__(self) -> int:
        return len(self.vectors)

    def compare(self, texts: Sequence[str], vectors: Vectors) -> tuple[Floats, Floats]:
        """Kernel and plain similarity (0 to 1) of each text to each example, both (texts, n)."""
        spelling = np.empty((len(texts), len(self)), dtype=np.float32)
        for row, text in zip(spelling, texts, strict=True):
            row[:] = self._spelling(self.tfidf.row(text))
        if not self.vectors.shape[1]:
            return _kernel(spelling, None), spelling
        meaning = (unit(vectors) @ self.axes @ self.vectors.T).astype(np.float32, copy=False)
        kernel = _kernel(spelling, meaning)
        spelling *= _SPELLING
        meaning *= 1 - _SPELLING
        meaning += spelling
        return kernel, np.clip(meaning, 0, 1, out=meaning)

    def _spelling(self, row: Sparse) -> Floats:
        """Cosine between a sparse row and every example."""
        columns, values = row
        first, last = self.starts[columns], self.starts[columns + 1]
        spans = [slice(start, end) for start, end in zip(first.tolist(), last.tolist(), strict=True)]
        weights = np.concatenate([self.values[:0], *(self.values[span] for span in spans)])
        weights *= np.repeat(values, last - first)
        rows = np.concatenate([self.rows[:0], *(self.rows[span] for span in spans)])
        return np.bincount(rows, weights, minlength=len(self)).astype(np.float32)

    def among(self, order: NDArray[np.int64]) -> Iterator[tuple[int, int, Floats]]:
        """The lower half of the kernel of the examples in ``order`` with themselves: start, end, rows (end - start, end)."""
        from scipy import sparse

        matrix = sparse.csc_matrix((self.values, self.rows, self.starts), shape=(len(self), self.tfidf.width)).tocsr()
        matrix, vectors = matrix[order], np.ascontiguousarray(self.vectors)[order]
        for start in range(0, len(self), _BLOCK):
            end = min(len(self), start + _BLOCK)
            spelling = (matrix[start:end] @ matrix[:end].T).toarray().astype(np.float32)
            meaning = vectors[start:end] @ vectors[:end].T if vectors.shape[1] else None
            yield start, end, _kernel(spelling, meaning)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that ``from_arrays`` needs, without pickled objects."""
        return self.tfidf.arrays() | {name: getattr(self, name) for name in _STORED}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Memory:
        return cls(Tfidf.from_arrays(arrays), *(arrays[name] for name in _STORED))


_STORED = ("starts", "rows", "values", "axes", "vectors")


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)  # type: ignore[no-any-return]


def _axes(vectors: Vectors) -> Floats:
    """The principal axes of the vectors (columns), as many as count."""
    width = vectors.shape[1]
    if width <= _AXES:
        return np.eye(width, dtype=np.float32)
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return np.ascontiguousarray(axes[:, -_AXES:])


def _kernel(spelling: Floats, meaning: Floats | None) -> Floats:
    if meaning is None:
        return np.exp(2 * (spelling - 1))
    kernel = meaning - 1  # in place from here on: these are the largest arrays that there are
    kernel *= _STEEPNESS
    np.exp(kernel, out=kernel)
    kernel *= 1 - _SPELLING
    kernel += _SPELLING * spelling
    return kernel
