"""A reply that staff take back before it has left, on Telegram."""

from __future__ import annotations

from pathlib import Path

from bot.catalogue.catalogue import Catalogue
from tests.conftest import TestDatabase
from tests.integration.desk import until
from tests.integration.telegram_house import a_house
from tests.loopback.telegram import LoopbackTelegram


async def test_a_reply_is_taken_back_while_it_has_not_left(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    async with (
        LoopbackTelegram().serve() as server,
        a_house(server, database, tmp_path, catalogue, undo_seconds=60) as house,
    ):
        await house.ada.writes("Der Drucker ist kaputt")
        await house.settled()
        [topic] = house.topics
        await house.kim.presses("Übernehmen", topic)
        await house.settled()
        await house.kim.writes("Sie sind selbst schuld", topic)
        await until(lambda: any("schuld   👀" in said for said in house.kim.reads(topic)), within=30)
        await house.kim.presses("Letzte Antwort zurückholen", topic)
        await house.settled()
        assert any("zurückgeholt" in said and "schuld" in said for said in house.kim.reads(topic))
        assert not any("schuld" in said for said in house.ada.reads())
