"""The shipped catalogue and its classifier, loaded once for all dialogues."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import nlu
from bot.catalogue.catalogue import Catalogue
from bot.catalogue.load import load
from bot.config import Settings
from bot.ports import Classifier

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shipped() -> Catalogue:
    return load(ROOT / "intents")


@pytest.fixture(scope="session")
def understood(shipped: Catalogue) -> Classifier:
    return nlu.load(shipped, cache_dir=ROOT / ".pytest_cache" / "models")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, intents=ROOT / "intents")
