"""The same words in whole bots: customers call themselves so, write so and name their files so, and staff look at every ticket."""

from __future__ import annotations

from asyncio import to_thread
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from bot.catalogue.catalogue import Catalogue
from bot.cli import app as commands
from bot.storage import tables
from bot.storage.codec import storable
from tests.conftest import TestDatabase
from tests.hostile.strings import OVERRIDES, STEERING, WORDS, characters
from tests.integration.pairs import Human, Pair, a_pair
from tests.loopback import slack_people, telegram_people

KEPT = {name: words for name, words in WORDS.items() if name != "half a character"}
"""No platform can bring half a character as UTF-8."""


def customer(pair: Pair, number: int, name: str) -> Human:
    """Somebody of that name, in a direct chat of their own."""
    if isinstance(pair.ada, telegram_people.Human):
        pair.ada.server.chats.add(1000 + number)
        return telegram_people.Human(pair.ada.server, 1000 + number, name, 1000 + number)
    assert isinstance(pair.ada, slack_people.Human)
    user, chat = f"U1{number:03}", f"D1{number:03}"
    pair.ada.server.people[user] = name
    pair.ada.server.channels.add(chat)
    return slack_people.Human(pair.ada.server, user, name, chat)


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("platform", ["slack", "telegram"])
async def test_staff_read_every_word_and_none_does_anything(
    platform: str, database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    async with a_pair(platform, platform, database, tmp_path, catalogue, unused_tcp_port, identify="never") as pair:
        for number, words in enumerate(KEPT.values()):
            await customer(pair, number, words).sends(f"{words}.txt", b"x", f"kaputt {words}")
        await pair.settled()
        async with pair.app.store.snapshot() as session:
            letters = (await session.connection.execute(select(tables.outbox.c.state))).scalars().all()
        assert set(letters) == {"sent"}
        threads = ["\n".join(pair.kim.reads(topic)) for topic in pair.topics()]
        assert len(threads) == len(KEPT)
        for words in KEPT.values():
            read = characters(f"kaputt {storable(words)}")
            assert any(read in characters(thread.replace("\n> ", "\n")) for thread in threads), words
        assert [thread for thread in threads if OVERRIDES.search(thread)] == []
        await _commands(database, tmp_path, len(KEPT))


async def _commands(database: TestDatabase, folder: Path, count: int) -> None:
    variables = {"FIRSTLINE_DATABASE_URL": database.url, "FIRSTLINE_DATA": str(folder / "data"), "COLUMNS": "200"}
    asked = [["list"], *(["show", str(number)] for number in range(1, count + 1)), ["show", "1", "--format", "json"]]
    for arguments in asked:
        shown = await to_thread(CliRunner().invoke, commands, ["tickets", *arguments], env=variables)
        assert shown.exit_code == 0, shown.output
        assert not STEERING.search(shown.output), arguments
