"""Finds the greatest of many values without sorting all of them. It must not know what they measure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 64  # columns


def top(values: NDArray[np.floating[Any]], count: int) -> NDArray[np.int64]:
    """Columns of the ``count`` greatest values of each row, or of all that there are; greatest first, equal ones from the left.

    The greatest stand in the blocks of columns whose own greatest are greatest, so only those blocks are looked through.
    """
    rows, width = values.shape
    count = min(count, width)
    blocks = width // _BLOCK
    if blocks > 2 * count:
        heads = values[:, : blocks * _BLOCK].reshape(rows, blocks, _BLOCK).max(axis=2)
        best = np.sort(np.argpartition(heads, blocks - count, axis=1)[:, blocks - count :], axis=1)
        inside = (best[:, :, None] * _BLOCK + np.arange(_BLOCK)).reshape(rows, -1)
        behind = np.broadcast_to(np.arange(blocks * _BLOCK, width), (rows, width % _BLOCK))
        columns = np.concatenate([inside, behind], axis=1)
        return np.take_along_axis(columns, top(np.take_along_axis(values, columns, axis=1), count), axis=1)
    found = np.sort(np.argpartition(-values, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(values, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)
