"""Fixtures of the tests of the admins' tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.integration.tools.folder import Intents, small

Run = Callable[..., Result]


@pytest.fixture
def intents(tmp_path: Path) -> Intents:
    return small(tmp_path / "intents")


@pytest.fixture
def run(tmp_path: Path, intents: Intents) -> Run:
    """``firstline intents ...`` on the small folder, without an encoder; the result has exit code and output."""
    from bot.cli import app

    settings = {
        "FIRSTLINE_INTENTS": str(intents.folder),
        "FIRSTLINE_DATA": str(tmp_path / "data"),
        "FIRSTLINE_ENCODER": "none",
        "COLUMNS": "200",
    }

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["intents", *arguments], env=settings)

    return run
