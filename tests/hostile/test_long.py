"""A message of 100,000 characters is kept to the letter and answered or handed to a person, as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, FakeClassifier, a_message
from tests.integration.desk import until

MANY = 100_000
TEXTS = {
    "one word": "a" * MANY,
    "line breaks": "x" + "\n" * MANY + "x",
    "a fault told over and over": "Der Drucker ist kaputt. " * (MANY // 24),
    "mentions": "@kim " * (MANY // 5),
    "digits": "123 456 " * (MANY // 8),
    "signs on signs": "Z" + "\u0335\u0321" * (MANY // 2),
    "faces": "\N{SLIGHTLY SMILING FACE}" * MANY,
    "quotes": "> " * (MANY // 2),
    "brackets": "[" * MANY,
    "ticket numbers": "HD-000001 " * (MANY // 10),
}


@pytest.mark.parametrize("said", TEXTS.values(), ids=TEXTS)
async def test_it_is_answered_or_handed_over_and_kept_to_the_letter(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, said: str
) -> None:
    adapter, settings = FakeAdapter(), Settings(data=tmp_path, database_url=database.url, burst_seconds=0)
    async with (
        build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app,
        app.working(),
    ):
        await app.receiver(a_message(said, message_id="long"))
        await app.receiver(a_message("Hallo?", chat="c2", message_id="short"))
        await until(lambda: {chat for chat, _ in adapter.sent} == {"c1", "c2"}, within=30)
        await app.engine.settled()
        async with app.store.snapshot() as session:
            kept = {row.message.message_id: row.message.text for row in await session.inbox.newest(5)}
            assert await session.inbox.count("dead") == 0
    assert kept["long"] == said
