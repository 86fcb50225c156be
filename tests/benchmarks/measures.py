"""Figures of classifiers that may also decline. Pure: it must not know classifiers or data sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def auroc(inside: Floats, outside: Floats) -> float:
    """How often a text from inside is taken for more known than one from outside; 0.5 is chance."""
    ranks = rankdata(np.concatenate([inside, outside]))
    count, others = len(inside), len(outside)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * others))


def threshold(known: Floats, right: Bools, outside: Floats) -> float:
    """The value of ``known`` below which to decline, so that accuracy inside plus recall outside is greatest."""
    candidates = np.unique(np.concatenate([known, outside]))
    sums = [float((right & (known >= t)).mean() + (outside < t).mean()) for t in candidates]
    return float(candidates[int(np.argmax(sums))])


def calibration_error(confidence: Floats, right: Bools, bins: int = 10) -> float:
    """Expected calibration error with bins of equal width."""
    return sum(count * abs(mean - share) for mean, share, count in reliability(confidence, right, bins)) / len(right)


def reliability(confidence: Floats, right: Bools, bins: int = 10) -> list[tuple[float, float, int]]:
    """For each bin of confidence that is not empty: mean confidence, share that was right, number of texts."""
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum()))
        for inside in (number == n for n in range(bins))
        if inside.any()
    ]
