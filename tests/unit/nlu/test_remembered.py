"""Vectors that are kept: an edit encodes only what it changed, and a damaged file costs time and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bot.nlu.encoder import NoEncoder, Vectors
from bot.nlu.remembered import Remembering


class CountingEncoder:
    """Puts the length of a text into its vector and remembers what it was asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.array([[len(text), 1] for text in texts], dtype=np.float32).reshape(-1, 2)


def test_only_new_texts_are_encoded_also_after_a_restart(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    Remembering(encoder, tmp_path).encode(["a", "bb", "bb"])
    vectors = Remembering(encoder, tmp_path).encode(["ccc", "bb", "a\ud800"])
    assert encoder.asked == ["a", "bb", "ccc", "a\ud800"]
    assert vectors[:, 0].tolist() == [3, 2, 2]


def test_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    Remembering(encoder, tmp_path).encode(["a"])
    for file in tmp_path.iterdir():
        file.write_bytes(b"nothing")
    assert Remembering(encoder, tmp_path).encode(["a"]).tolist() == [[1, 1]]
    assert encoder.asked == ["a", "a"]


def test_without_an_encoder_or_texts_there_is_nothing_to_keep(tmp_path: Path) -> None:
    assert Remembering(NoEncoder(), tmp_path).encode(["a", "b"]).shape == (2, 0)
    assert Remembering(CountingEncoder(), tmp_path).encode([]).shape == (0, 2)
    assert not list(tmp_path.iterdir())
