"""A trainable classifier of texts: words, letters and a sentence encoder's columns under one linear model.

Serves from plain arrays; scikit-learn is imported for training only. It must not know the catalogue's categories or what is
done with a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.nlu.encoder import Vectors
from bot.nlu.tfidf import Tfidf

Floats = NDArray[np.float32]

_HELD_OUT = 3  # every third row is kept back to calibrate on
_NEAREST = 3
_SEED = 7


@dataclass(frozen=True, slots=True)
class Scores:
    """For n texts and c labels: ``probabilities`` (n, c), calibrated; ``known`` (n,), greater the more the text resembles what was
    trained, with mean 0 and deviation 1 over unseen texts of the trained labels; ``nearest`` (n, k) rows of the training texts,
    best first, and their ``similarity`` (n, k), 0 to 1."""

    probabilities: Floats
    known: Floats
    nearest: NDArray[np.int64]
    similarity: Floats


@dataclass(frozen=True, slots=True)
class Model:
    """A trained classifier; ``labels`` are in the order of the columns of the probabilities."""

    labels: tuple[str, ...]
    tfidf: Tfidf
    weights: Floats  # (features, labels): TF-IDF columns first, then the encoder's
    bias: Floats
    temperature: float
    vectors: Vectors  # (training rows, d), unit length
    scale: Floats  # mean and deviation of margin, energy, similarity

    @classmethod
    def train(cls, texts: Sequence[str], labels: Sequence[str], vectors: Vectors) -> Model:
        """Learn from rows. ``vectors`` are the encoder's, shape (n, d), d may be 0. The same rows give the same model."""
        names = tuple(sorted(set(labels)))
        target = np.array([names.index(label) for label in labels])
        tfidf = Tfidf.fit(texts)
        matrix = _matrix(tfidf, texts, vectors)
        weights, bias = _fit(matrix, target, len(names))
        rows, held_out = _held_out(matrix, target, len(names))
        temperature = _temperature(held_out, target[rows])
        unit = _unit(vectors)
        parts = _parts(held_out / temperature, _leave_one_out(unit)[rows])
        scale = np.stack([parts.mean(axis=0), parts.std(axis=0) + 1e-6])
        return cls(names, tfidf, weights, bias, temperature, unit, scale.astype(np.float32))

    def predict(self, texts: Sequence[str], vectors: Vectors) -> Scores:
        """What each text is; ``vectors`` come from the encoder that the model was trained with."""
        sparse = self.tfidf.width
        scores = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        for index, text in enumerate(texts):
            columns, values = self.tfidf.row(text)
            scores[index] = values @ self.weights[columns]
        scores += vectors @ self.weights[sparse:]
        scores += self.bias
        nearest, similarity = self._neighbours(_unit(vectors))
        logits = scores / self.temperature
        parts = (_parts(logits, similarity[:, :_NEAREST].mean(axis=1)) - self.scale[0]) / self.scale[1]
        return Scores(softmax(logits), parts.mean(axis=1), nearest, similarity)

    def _neighbours(self, vectors: Vectors, count: int = 8) -> tuple[NDArray[np.int64], Floats]:
        similarity = vectors @ self.vectors.T
        count = min(count, similarity.shape[1])
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        nearest = np.take_along_axis(
            nearest, np.argsort(-np.take_along_axis(similarity, nearest, 1), axis=1, kind="stable"), 1
        )
        return nearest, np.take_along_axis(similarity, nearest, 1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that ``from_arrays`` needs, without pickled objects."""
        return {
            **self.tfidf.arrays(),
            "labels": np.array(self.labels),
            "weights": self.weights,
            "bias": self.bias,
            "temperature": np.array(self.temperature),
            "vectors": self.vectors,
            "scale": self.scale,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Model:
        return cls(
            labels=tuple(map(str, arrays["labels"])),
            tfidf=Tfidf.from_arrays(arrays),
            weights=arrays["weights"],
            bias=arrays["bias"],
            temperature=float(arrays["temperature"]),
            vectors=arrays["vectors"],
            scale=arrays["scale"],
        )


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def _parts(logits: Floats, similarity: Floats) -> Floats:
    """The three signs that a text is of a known kind: it wins clearly, it wins highly, and something like it was seen."""
    ordered = np.partition(logits, -2, axis=1) if logits.shape[1] > 1 else np.pad(logits, ((0, 0), (1, 0)))
    top = logits.max(axis=1)
    energy = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return np.stack([ordered[:, -1] - ordered[:, -2], energy, similarity], axis=1)


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)  # type: ignore[no-any-return]


def _leave_one_out(unit: Vectors) -> Floats:
    """Mean similarity of each row to the rows nearest to it other than itself."""
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -1)
    count = min(_NEAREST, len(unit))
    return np.partition(similarity, -count, axis=1)[:, -count:].mean(axis=1)  # type: ignore[no-any-return]


def _matrix(tfidf: Tfidf, texts: Sequence[str], vectors: Vectors) -> Any:
    from scipy import sparse

    rows = [tfidf.row(text) for text in texts]
    indptr = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])])
    columns, values = (np.concatenate([row[part] for row in rows]) for part in (0, 1))
    words = sparse.csr_matrix((values, columns, indptr), shape=(len(texts), tfidf.width))
    return sparse.hstack([words, sparse.csr_matrix(vectors)], format="csr")


def _fit(matrix: Any, target: NDArray[np.int64], count: int) -> tuple[Floats, Floats]:
    """One-versus-rest linear support vector machines: weights (features, labels) and bias (labels,)."""
    from sklearn.svm import LinearSVC

    if count == 1:
        return np.zeros((matrix.shape[1], 1), np.float32), np.zeros(1, np.float32)
    machine = LinearSVC(C=0.5, tol=0.1, random_state=_SEED).fit(matrix, target)
    weights, bias = machine.coef_.T.astype(np.float32), machine.intercept_.astype(np.float32)
    if count == 2:  # scikit-learn keeps one column for two classes
        weights, bias = np.concatenate([-weights, weights], axis=1), np.concatenate([-bias, bias])
    return np.ascontiguousarray(weights), bias


def _held_out(matrix: Any, target: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], Floats]:
    """A third of the rows, and their scores (rows, labels) from a model that has not seen them."""
    fold = np.random.default_rng(_SEED).permutation(len(target)) % _HELD_OUT
    train, test = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
    if not len(train):
        train = test
    present = np.unique(target[train])
    weights, bias = _fit(matrix[train], np.searchsorted(present, target[train]), len(present))
    scores = np.full((len(test), count), -1, dtype=np.float32)
    scores[:, present] = matrix[test] @ weights + bias
    return test, scores


def _temperature(scores: Floats, target: NDArray[np.int64]) -> float:
    """What to divide scores by so that the probabilities are right on held-out rows (temperature scaling, Guo et al. 2017)."""
    rows = np.arange(len(target))

    def loss(temperature: float) -> float:
        logits = scores / temperature
        top = logits.max(axis=1)
        return float((top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[rows, target]).mean())

    candidates: list[float] = np.geomspace(0.02, 2, 60).tolist()
    return min(candidates, key=loss)
