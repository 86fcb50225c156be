"""The log of a running bot: complete JSON lines that lead from a message to its reply, and never say what was written."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot import logs
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.errors import DatabaseError, DeliveryError
from bot.model import Attachment, Part, Prediction
from bot.storage.store import Store
from tests.conftest import TestDatabase
from tests.fakes import FakeClassifier, a_message
from tests.integration.desk import until
from tests.integration.test_fetch import Platform

WORDS = ("zebra", "erika", "befund", "reply-words")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged at info level, as JSON."""
    kept, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", kept)
    logs.configure("json", "info")
    yield kept
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


class Quoting(FakeClassifier):
    """Breaks once on a text and quotes it, as libraries do."""

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        if self.poison:
            self.poison.clear()
            raise ValueError(f"cannot read {texts}")
        return super().classify(texts)


class Chatty(Platform):
    """Logs through the standard library while it sends, as SDKs do, and breaks once, quoting what it was to send."""

    broken = False

    async def send(self, part: Part) -> str:
        logging.getLogger("some.library").warning("connection lost")
        if not self.broken:
            self.broken = True
            raise KeyError(part.payload["text"])
        return await super().send(part)


async def test_each_line_is_complete_and_leads_from_the_message_to_the_reply_without_a_word_of_it(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, log: io.StringIO
) -> None:
    platform, classifier = Chatty(), Quoting()
    platform.files["ref"] = b"x"
    platform.faults.append(DeliveryError("not yet"))
    classifier.poison.add("Zebra")
    settings = Settings(data=tmp_path, database_url=database.url, burst_seconds=0)
    async with (
        build(settings, adapters=[platform], classifier=classifier, catalogue=catalogue) as app,
        app.working(),
    ):
        file = Attachment("befund.txt", "text/plain", 1, "ref")
        await app.receiver(a_message("Zebra kaputt", sender="erika", attachments=(file,)))
        await until(lambda: len(platform.sent) == 1, within=20)
        await app.engine.settled()
    lines = _lines(log)
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    assert not [line for line in lines if any(word in json.dumps(line).lower() for word in WORDS)]
    events = {line["event"]: line for line in lines}
    followed = (
        "message_accepted",
        "turn_failed",
        "staff_alert",
        "turn_handled",
        "send_broke",
        "connection lost",
        "sent",
    )
    assert len({events[name]["correlation"] for name in followed}) == 1
    assert events["turn_failed"]["error"].startswith("ValueError at test_logs.py:")
    assert events["send_broke"]["error"].startswith("KeyError at test_logs.py:")


async def test_what_a_database_refuses_is_told_without_the_row(store: Store, log: io.StringIO) -> None:
    with pytest.raises(DatabaseError) as refused:
        async with store.transaction() as session:
            await session.connection.exec_driver_sql("INSERT INTO staff (id, name) VALUES ('erika', 'Erika Zebra')")
    assert "null" in str(refused.value).lower()
    assert not any(word in str(refused.value).lower() for word in WORDS)


def test_words_of_ours_and_of_the_machine_are_told() -> None:
    assert logs.told(DeliveryError("429 Too Many Requests")) == "DeliveryError: 429 Too Many Requests"
    assert logs.told(ConnectionRefusedError(111, "Connection refused")).endswith("Connection refused")
    assert logs.told(ValueError("Zebra")) == "ValueError"
