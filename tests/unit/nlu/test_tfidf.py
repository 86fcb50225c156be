"""Which words and letters of a text count, and how much."""

from __future__ import annotations

import numpy as np
import pytest

from bot.nlu.tfidf import Tfidf, letter_grams


def test_letters_are_counted_within_words_each_time_they_stand_there() -> None:
    once = [" ab", "ab ", " ab "]
    assert list(letter_grams("ab")) == once
    assert list(letter_grams("ab  x ab")) == [*once, " x ", " x ", *once]
    assert max(map(len, letter_grams("y" * 1000))) == 4
    assert len(list(letter_grams("y" * 1000))) == len(list(letter_grams("y" * 60)))


def test_a_row_has_unit_length_and_knows_taught_features_only() -> None:
    tfidf = Tfidf.fit(["Der Export der Liste", "Der Druck der Liste", "Neues Passwort"])
    columns, values = tfidf.row("DER Export der Liste, bitte")
    assert len(set(columns.tolist())) == len(columns)
    assert columns.max() < tfidf.width
    assert float(values @ values) == pytest.approx(1, abs=1e-6)
    empty, nothing = tfidf.row("日本")
    assert (len(empty), len(nothing)) == (0, 0)


def test_the_second_row_of_a_text_is_the_first() -> None:
    tfidf = Tfidf.fit(["Der Export der Liste", "Der Druck der Liste"])
    for one, two in zip(tfidf.row("Druck der Liste"), tfidf.row("Druck der Liste"), strict=True):
        np.testing.assert_array_equal(one, two)
