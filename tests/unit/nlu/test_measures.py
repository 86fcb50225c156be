"""The figures of the benchmarks on cases whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.data import Rows, banking, clinc
from tests.benchmarks.measures import auroc, calibration_error, threshold


def test_auroc_is_one_for_apart_one_half_for_alike_and_counts_ties_half() -> None:
    assert auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert auroc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0
    assert auroc(np.array([1.0, 1.0]), np.array([1.0])) == 0.5


def test_the_threshold_keeps_what_is_right_and_declines_what_is_outside() -> None:
    known = np.array([0.2, 0.6, 0.7, 0.9])
    least = threshold(known, np.array([False, True, True, True]), np.array([0.1, 0.3, 0.5]))
    assert 0.5 < least <= 0.6


def test_calibration_error_is_the_distance_between_promise_and_truth() -> None:
    right = np.array([True, False, True, False])
    assert calibration_error(np.full(4, 0.9), right) == pytest.approx(0.4)
    assert calibration_error(np.full(4, 0.5), right) == pytest.approx(0)


def test_the_first_rows_of_each_label_are_taken_in_their_order() -> None:
    rows = Rows.of([("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")])
    assert rows.first(2) == Rows.of([("a", "x"), ("b", "y"), ("c", "x")])


def test_out_of_scope_rows_are_never_among_those_to_train_on(tmp_path: Path) -> None:
    parts = '{"train": [["in", "a"]], "val": [["v", "a"]], "test": [["t", "a"]], "oos_train": [["o1", "oos"]], '
    parts += '"oos_val": [["o2", "oos"]], "oos_test": [["o3", "oos"]]}'
    for size in ("full", "small"):
        (tmp_path / f"clinc150_{size}.json").write_text(parts)
    for task in clinc(tmp_path):
        assert task.train == Rows(("in",), ("a",))
        assert (task.val_outside.texts, task.test_outside.texts) == (("o2",), ("o3",))


def test_a_quoted_comma_or_line_break_stays_in_its_text(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / f"banking77_{part}.csv").write_text('text,category\n"Hello, my\ncard",card_arrival\n')
    assert banking(tmp_path)[0].train == Rows(("Hello, my\ncard",), ("card_arrival",))


def test_the_name_of_a_label_is_one_more_row_of_it_in_words() -> None:
    rows = Rows.of([("where is my card", "card_arrival"), ("hello", "greeting"), ("not here yet", "card_arrival")])
    assert rows.with_names() == Rows.of(
        [*zip(rows.texts, rows.labels, strict=True), ("card arrival", "card_arrival"), ("greeting", "greeting")]
    )
