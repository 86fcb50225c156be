"""The registry: names, laziness, and what it says when something is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import adapters
from adapters.slack import SlackAdapter
from adapters.telegram import TelegramAdapter
from bot.errors import SettingsError


def test_adapters_are_found_by_name() -> None:
    assert adapters.load("telegram") is TelegramAdapter
    assert adapters.load("slack") is SlackAdapter


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'irc'.*slack, telegram, terminal"):
        adapters.load("irc")


def test_no_sdk_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, adapters; sys.exit(any(m in sys.modules for m in ('telegram', 'slack_bolt', 'aiohttp')))"
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError("No module named 'slack_bolt'", name="slack_bolt")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(SettingsError, match=r"'slack_bolt'.*firstline\[slack\]"):
        adapters.load("slack")
