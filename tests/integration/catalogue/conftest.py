"""Fixtures of the catalogue's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.catalogue.folder import Intents, whole


@pytest.fixture
def intents(tmp_path: Path) -> Intents:
    return whole(tmp_path / "intents")
