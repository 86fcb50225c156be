"""Keeps the vectors of the examples on disk, so that an edit of the catalogue encodes only what it changed.

It must not know what the vectors are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bot.nlu import cache
from bot.nlu.encoder import Encoder, Vectors


class Remembering:
    """An encoder for training: what was encoded the last time comes from ``folder``. Keeps the vectors of the last texts only."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self.name = encoder.name
        self._encoder = encoder
        self._folder = folder
        self._file = cache.key([encoder.name])

    def encode(self, texts: Sequence[str]) -> Vectors:
        digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
        stored = cache.fetch(self._folder, self._file) or {}
        known = dict(zip(stored.get("digests", np.array([])).tolist(), stored.get("vectors", ()), strict=True))
        new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in known}
        if new or not texts:
            encoded = self._encoder.encode(list(new.values()))
            known.update(zip(new, encoded, strict=True))
        if not texts:
            return encoded
        vectors = np.stack([known[digest] for digest in digests])
        if new and vectors.shape[1]:
            cache.store(self._folder, self._file, {"digests": np.array(digests), "vectors": vectors})
        return vectors
