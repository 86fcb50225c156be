"""The greatest of many values are those that sorting all of them would give."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bot.nlu.ranking import top


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 4),
    width=st.integers(1, 1500),
    count=st.integers(1, 12),
    different=st.sampled_from([1, 5, 1000]),
)
def test_the_same_values_come_out_as_of_sorting(seed: int, rows: int, width: int, count: int, different: int) -> None:
    values = np.random.default_rng(seed).integers(-different, different, (rows, width)).astype(np.float32)
    found = top(values, count)
    assert found.shape == (rows, min(count, width))
    np.testing.assert_array_equal(np.take_along_axis(values, found, axis=1), -np.sort(-values, axis=1)[:, :count])
    for row in found:
        assert len(set(row.tolist())) == len(row)


def test_of_equal_values_the_left_one_comes_first() -> None:
    values = np.zeros((1, 1000))
    values[0, [30, 200, 900]] = 1
    values[0, 500] = 2
    assert top(values, 4).tolist() == [[500, 30, 200, 900]]


def test_part_of_a_wider_array_will_do() -> None:
    values = np.arange(4000.0).reshape(2, 2000)
    assert top(values[:, ::2], 2).tolist() == [[999, 998]] * 2
