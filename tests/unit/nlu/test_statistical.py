"""What the trained model promises: probabilities that sum to 1, examples that can be named, the same answer in every process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bot.nlu.encoder import NoEncoder, Vectors
from bot.nlu.kernel import Memory
from bot.nlu.statistical import Calibration, Model, softmax

TEXTS = [f"{verb} {thing}" for thing in ("Liste", "Export", "Druck") for verb in ("zeige", "öffne", "starte", "sende")]
LABELS = [text.split()[1] for text in TEXTS]
GROUPS = ["paper" if label == "Druck" else "screen" for label in LABELS]


def vectors(texts: list[str], width: int) -> Vectors:
    """Not the meaning of a text, but the same vector for the same text."""
    rows = [np.random.default_rng(sum(map(ord, text))).normal(size=width) for text in texts]
    return np.array(rows, dtype=np.float32).reshape(len(texts), width)


@pytest.mark.parametrize("width", [0, 3, 300])
@pytest.mark.parametrize("groups", [None, GROUPS])
def test_probabilities_sum_to_one_and_what_was_trained_is_known(width: int, groups: list[str] | None) -> None:
    model = Model.train(TEXTS, LABELS, vectors(TEXTS, width), groups)
    unknown = ["", "qwertz", "völlig anderes Thema"]
    scores = model.predict(TEXTS + unknown, vectors(TEXTS + unknown, width))
    np.testing.assert_allclose(scores.probabilities.sum(axis=1), 1, atol=1e-5)
    assert (scores.probabilities >= 0).all()
    found = [model.labels[column] for column in scores.probabilities[: len(TEXTS)].argmax(axis=1)]
    assert found == LABELS
    known = model.known(TEXTS + unknown, vectors(TEXTS + unknown, width))
    assert known[: len(TEXTS)].min() > known[len(TEXTS) :].max()


def test_the_examples_that_weighed_are_named_nearest_first() -> None:
    model = Model.train(TEXTS, LABELS, NoEncoder().encode(TEXTS))
    scores = model.predict(["öffne Export"], NoEncoder().encode(["x"]))
    assert TEXTS[scores.nearest[0, 0]] == "öffne Export"
    assert scores.similarity[0, 0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(scores.similarity[0]) <= 0).all()


def test_a_model_comes_back_from_its_arrays() -> None:
    model = Model.train(TEXTS, LABELS, vectors(TEXTS, 5), GROUPS)
    again = Model.from_arrays(model.arrays())
    ask = ["zeige Druck", "?"]
    one, two = ((m.predict(ask, vectors(ask, 5)), m.known(ask, vectors(ask, 5))) for m in (model, again))
    np.testing.assert_array_equal(one[0].probabilities, two[0].probabilities)
    np.testing.assert_array_equal(one[1], two[1])


def test_few_rows_or_a_single_label_are_no_reason_to_fail() -> None:
    for count in (1, 2, 5, 6):
        model = Model.train(TEXTS[:count], LABELS[:count], vectors(TEXTS[:count], 2))
        assert np.isfinite(model.predict(["x"], vectors(["x"], 2)).probabilities).all()
        assert np.isfinite(model.known(["x"], vectors(["x"], 2))).all()


def test_sparse_and_dense_ways_to_the_kernel_agree() -> None:
    memory = Memory.of(TEXTS, vectors(TEXTS, 4))
    whole = np.zeros((len(TEXTS), len(TEXTS)), dtype=np.float32)
    for start, end, rows in memory.among(np.arange(len(TEXTS))):
        whole[start:end, :end] = rows
    compared, similarity = memory.compare(TEXTS, vectors(TEXTS, 4))
    np.testing.assert_allclose(np.tril(whole), np.tril(compared), atol=1e-5)
    np.testing.assert_allclose(np.diag(similarity), 1, atol=1e-5)


def test_a_text_that_shares_nothing_with_the_examples_is_like_none_of_them() -> None:
    _, similarity = Memory.of(TEXTS, vectors(TEXTS, 0)).compare(["日本", "zeige Liste"], vectors(["", ""], 0))
    assert not similarity[0].any()
    assert similarity[1].max() == pytest.approx(1, abs=1e-5)


def test_calibration_finds_how_far_scores_can_be_trusted() -> None:
    random = np.random.default_rng(7)
    logits = random.normal(size=(4000, 3)).astype(np.float32)
    target = np.array([random.choice(3, p=row) for row in softmax((8 * logits).astype(np.float64))])
    calibration = Calibration.fit(
        np.concatenate([logits, np.ones((4000, 1), np.float32)], axis=1), target, np.zeros(3, int)
    )
    assert calibration.labels == pytest.approx(8, rel=0.15)


def test_another_process_learns_the_same() -> None:
    code = (
        "from tests.unit.nlu.test_statistical import *\n"
        "model = Model.train(TEXTS, LABELS, vectors(TEXTS, 6), GROUPS)\n"
        "print(model.predict(['zeige Druck'], vectors(['zeige Druck'], 6)).probabilities.tobytes().hex())"
    )
    run = [sys.executable, "-c", code]
    answers = {
        subprocess.run(run, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
