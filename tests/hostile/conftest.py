"""Everything that the tests of the adapters have, for whoever means them harm, and the log as it is written."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterable, Iterator

import pytest
import structlog

from bot import logs
from tests.adapters.conftest import called, clean_environment, files, inbox, slack, slack_over_http, telegram

__all__ = ["called", "clean_environment", "files", "inbox", "slack", "slack_over_http", "telegram"]


class Log(io.StringIO):
    """What is logged from ``configure`` on."""

    def configure(self, form: str, level: str, secrets: Iterable[str] = ()) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", self)
            logs.configure("json" if form == "json" else "console", level, secrets)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    kept, root = Log(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.NOISY}
    monkeypatch.setattr(logs, "_known", set())
    yield kept
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()
