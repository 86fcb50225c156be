"""What the bot knows at one moment: a catalogue and the classifier that was trained from it, as one value that is swapped whole.

It must not know when knowledge is loaded anew, nor who uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot import nlu
from bot.catalogue.catalogue import Catalogue
from bot.catalogue.load import load, needed_texts
from bot.config import Settings, shipped_intents
from bot.model import Prediction
from bot.ports import Classifier


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Whoever handles a turn takes one pair for all of it: topics that ``classifier`` names are topics of ``catalogue``."""

    catalogue: Catalogue
    classifier: Classifier

    @property
    def version(self) -> str:
        return self.catalogue.version

    @classmethod
    def load(cls, settings: Settings) -> Knowledge:
        """Read, check and train: seconds of work, so keep it off the event loop. Raises CatalogueError, SettingsError."""
        return cls.trained(speakable(settings.intents), settings)

    @classmethod
    def trained(cls, catalogue: Catalogue, settings: Settings) -> Knowledge:
        classifier = nlu.load(
            catalogue, encoder=settings.encoder, cache_dir=settings.data / "models", threads=settings.threads
        )
        return cls(catalogue, classifier)


class Unasked:
    """In the place of a classifier where a process understands no messages."""

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        raise AssertionError(f"{len(texts)} messages in a process without the role of a worker")


def speakable(folder: Path) -> Catalogue:
    """The catalogue of ``folder`` with every text that this version of the bot says. Raises CatalogueError."""
    return load(folder, needed_texts(shipped_intents()))
