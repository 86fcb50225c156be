"""A trainable classifier of texts: kernel ridge regression over examples, with calibrated probabilities.

Serves from plain arrays; SciPy is imported for training only. It must not know the catalogue's categories or what is done with a
decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.nlu.encoder import Vectors
from bot.nlu.kernel import Floats, Memory, unit
from bot.nlu.ranking import top

_HELD_OUT = 5  # every fifth row is kept back to calibrate on
_RIDGE = 0.05
_NEAREST = 3
_SHOWN = 8
_SEED = 7
_SHARING = 2.0  # how fast the likeness of two labels falls with the angle between their mean vectors
_SIGNS = (1.0, 0.5)  # what a high score and nearness to examples count as signs that a text is of a known kind
_INVERSE_TEMPERATURES = np.geomspace(3, 100, 40)
_POWERS = (0.25, 0.5, 0.75, 1.0, 1.25)


@dataclass(frozen=True, slots=True)
class Scores:
    """For n texts and c labels: ``probabilities`` (n, c), calibrated; ``nearest`` (n, k) rows of the training texts, best first,
    and their ``similarity`` (n, k), 0 to 1."""

    probabilities: Floats
    nearest: NDArray[np.int64]
    similarity: Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """From scores to probabilities: inverse temperatures of labels and of groups, and the powers with which both opinions about the
    group are multiplied (a logarithmic opinion pool). ``group_of`` (c,) is the group of each label."""

    labels: float
    groups: float
    label_power: float
    group_power: float
    group_of: NDArray[np.int64]

    @classmethod
    def fit(cls, scores: Floats, target: NDArray[np.int64], group_of: NDArray[np.int64]) -> Calibration:
        """What makes the likelihood of ``target`` greatest. ``scores`` (n, c + g) are of rows that were not trained on."""
        count = len(group_of)
        labels = _best(lambda b: _surprise(softmax(b * scores[:, :count]), target))
        groups = _best(lambda b: _surprise(softmax(b * scores[:, count:]), group_of[target]))
        own, direct = softmax(labels * scores[:, :count]), softmax(groups * scores[:, count:])
        summed = own @ _membership(group_of)
        pairs = [(p, q) for p in _POWERS for q in _POWERS]
        label_power, group_power = min(
            pairs, key=lambda pair: _surprise(_pool(summed, direct, *pair), group_of[target])
        )
        return cls(labels, groups, label_power, group_power, group_of)

    def __call__(self, scores: Floats) -> Floats:
        count = len(self.group_of)
        own, direct = softmax(self.labels * scores[:, :count]), softmax(self.groups * scores[:, count:])
        summed = own @ _membership(self.group_of)
        pooled = _pool(summed, direct, self.label_power, self.group_power)
        return own * (pooled / np.maximum(summed, 1e-12))[:, self.group_of]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Model:
    """A trained classifier; ``labels`` are in the order of the columns of the probabilities."""

    labels: tuple[str, ...]
    memory: Memory
    weights: Floats  # (training rows, labels + groups): how each example votes
    bias: Floats
    calibration: Calibration
    kinship: Floats  # (labels, labels): how alike two labels are, 1 on the diagonal
    scale: Floats  # (signs that a text is known, 2): mean and deviation over held-out rows

    @classmethod
    def train(
        cls, texts: Sequence[str], labels: Sequence[str], vectors: Vectors, groups: Sequence[str] | None = None
    ) -> Model:
        """Learn from rows. ``vectors`` are the encoder's, shape (n, d), d may be 0. The same rows give the same model.

        ``groups`` are the coarser classes of the rows; each label belongs to one. They are learned beside the labels, because the
        sum over labels alone is a poor guess of the group.
        """
        names = tuple(sorted(set(labels)))
        number = {name: index for index, name in enumerate(names)}
        target = np.array([number[label] for label in labels])
        group_of = _groups(target, groups, len(names))
        memory = Memory.of(texts, vectors)
        wanted = np.concatenate([_one_hot(target, len(names)), _one_hot(group_of[target], group_of.max() + 1)], axis=1)
        bias = wanted.mean(axis=0)
        weights, rows, scores, nearness = _fit(memory, wanted - bias)
        scores += bias
        calibration = Calibration.fit(scores, target[rows], group_of)
        kinship = _kinship(memory.vectors, target, len(names))
        signs = np.stack([_familiarity(scores, kinship), nearness])
        scale = np.stack([signs.mean(axis=1), signs.std(axis=1) + 1e-6], axis=1)
        return cls(names, memory, weights, bias, calibration, kinship, scale.astype(np.float32))

    def predict(self, texts: Sequence[str], vectors: Vectors) -> Scores:
        """What each text is; ``vectors`` come from the encoder that the model was trained with."""
        kernel, similarity = self.memory.compare(texts, vectors)
        nearest = top(similarity, _SHOWN)
        return Scores(
            self.calibration(kernel @ self.weights + self.bias),
            nearest,
            np.take_along_axis(similarity, nearest, axis=1),
        )

    def known(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """How much each text resembles what was trained, shape (n,): the more the greater, with mean 0 over unseen texts of the
        trained labels. Apart from ``predict``, because no decision of the bot asks for it."""
        kernel, _ = self.memory.compare(texts, vectors)
        signs = _familiarity(kernel @ self.weights + self.bias, self.kinship), _nearness(kernel)
        known: Floats = sum(
            w * (sign - mean) / spread for w, sign, (mean, spread) in zip(_SIGNS, signs, self.scale, strict=True)
        )
        return known

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that ``from_arrays`` needs, without pickled objects."""
        c = self.calibration
        return {
            **self.memory.arrays(),
            "labels": np.array(self.labels),
            "weights": self.weights,
            "bias": self.bias,
            "calibration": np.array([c.labels, c.groups, c.label_power, c.group_power]),
            "group_of": c.group_of,
            "kinship": self.kinship,
            "scale": self.scale,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Model:
        labels, groups, label_power, group_power = map(float, arrays["calibration"])
        return cls(
            labels=tuple(map(str, arrays["labels"])),
            memory=Memory.from_arrays(arrays),
            weights=arrays["weights"],
            bias=arrays["bias"],
            calibration=Calibration(labels, groups, label_power, group_power, arrays["group_of"]),
            kinship=arrays["kinship"],
            scale=arrays["scale"],
        )


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def _fit(memory: Memory, wanted: Floats) -> tuple[Floats, NDArray[np.int64], Floats, Floats]:
    """The weights of the examples; then some rows, the scores that a model of the others gives those, and their nearness to them.

    The Cholesky factor of a kernel holds that of any leading part. With the held-out rows last, the forward substitution therefore
    solves the smaller problem on its way, and calibrating costs nothing.
    """
    from scipy.linalg import cholesky, solve_triangular

    count = len(memory)
    order = np.random.default_rng(_SEED).permutation(count)
    first = count - count // _HELD_OUT if count >= 2 * _HELD_OUT else 0
    kernel = np.empty((count, count), dtype=np.float32, order="F")
    nearness = []
    for start, end, rows in memory.among(order):
        kernel[start:end, :end] = rows
        if end > first:
            nearness.append(_nearness(rows[max(0, first - start) :, : first or end]))
    kernel[np.diag_indices(count)] += _RIDGE
    factor = cholesky(kernel, lower=True, overwrite_a=True, check_finite=False)
    half = solve_triangular(factor, wanted[order], lower=True, check_finite=False)
    scores = factor[first:, :first] @ half[:first] if first else wanted[order]  # too few rows to hold any back
    weights = np.empty_like(wanted)
    weights[order] = solve_triangular(factor, half, lower=True, trans="T", overwrite_b=True, check_finite=False)
    return weights, order[first:], scores, np.concatenate(nearness)


def _kinship(vectors: Vectors, target: NDArray[np.int64], count: int) -> Floats:
    """How alike the labels are by the means of their vectors; without an encoder each is like itself alone."""
    if not vectors.shape[1]:
        return np.eye(count, dtype=np.float32)
    means = unit(_one_hot(target, count).T @ vectors)
    return np.exp(_SHARING * (means @ means.T - 1))  # type: ignore[no-any-return]


def _familiarity(scores: Floats, kinship: Floats) -> Floats:
    """The highest score after each label has lent its own to those like it: what lies between known labels is known too."""
    return (scores[:, : len(kinship)] @ kinship).max(axis=1)  # type: ignore[no-any-return]


def _nearness(kernel: Floats) -> Floats:
    """Mean likeness to the examples that are most alike."""
    return np.take_along_axis(kernel, top(kernel, _NEAREST), axis=1).mean(axis=1)  # type: ignore[no-any-return]


def _groups(target: NDArray[np.int64], groups: Sequence[str] | None, count: int) -> NDArray[np.int64]:
    """The number of the group of each label; without groups all are of one."""
    if groups is None:
        return np.zeros(count, dtype=np.int64)
    names = {name: index for index, name in enumerate(sorted(set(groups)))}
    of = np.zeros(count, dtype=np.int64)
    of[target] = [names[group] for group in groups]
    return of


def _one_hot(target: NDArray[np.int64], count: int) -> Floats:
    return np.eye(count, dtype=np.float32)[target]


def _membership(group_of: NDArray[np.int64]) -> Floats:
    return _one_hot(group_of, int(group_of.max()) + 1)


def _pool(left: Floats, right: Floats, left_power: float, right_power: float) -> Floats:
    return softmax(left_power * np.log(left + 1e-9) + right_power * np.log(right + 1e-9))


def _surprise(probabilities: Floats, target: NDArray[np.int64]) -> float:
    """Mean negative log likelihood."""
    return float(-np.log(probabilities[np.arange(len(target)), target] + 1e-9).mean())


def _best(surprise: Any) -> float:
    return float(min(_INVERSE_TEMPERATURES, key=surprise))
