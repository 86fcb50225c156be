"""A whole case on Telegram with the shipped catalogue and classifier: from the invitation to the rating, as both sides read it."""

from __future__ import annotations

from pathlib import Path

from bot.agreement.customers import Contract, Organisation
from bot.bootstrap import now
from bot.catalogue.catalogue import Catalogue
from bot.desk import customers
from bot.model import TicketState
from bot.ports import Classifier
from tests.conftest import TestDatabase
from tests.integration.telegram_house import a_house
from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_forum import FORUM

MUSTER = Organisation("o1", "Muster GmbH", "10001", (Contract("W-1"),))


async def test_from_the_invitation_over_an_exclusion_with_consent_to_the_rating(
    database: TestDatabase, tmp_path: Path, shipped: Catalogue, understood: Classifier
) -> None:
    async with (
        LoopbackTelegram().serve() as server,
        a_house(server, database, tmp_path, shipped, classifier=understood, identify="auto") as house,
    ):
        ada, kim = house.ada, house.kim

        async def says(text: str) -> str:
            """What the bot answers to Ada."""
            before = len(ada.reads())
            await ada.writes(text)
            await house.settled()
            return "\n".join(said for said in ada.reads()[before:] if said.startswith("Firstline"))

        async with house.app.store.transaction() as session:
            await session.customers.save(MUSTER, now())
        _, token = await customers.invite(house.app.store, MUSTER.number, now(), actor="test")
        assert "Muster GmbH" in await says(f"/start {token}")

        assert "Angaben" in await says("geht nicht")  # it asks what is meant
        opened = await says("Die Urlaubsanträge lassen sich seit heute früh nicht mehr speichern, bei uns allen")
        assert "HD-000001" in opened
        [first] = house.topics
        assert "Kunde: Muster GmbH · 10001 · nachgewiesen" in kim.reads(first)[0]
        assert any("geht nicht" in said and "Bisher gesprochen" in said for said in kim.reads(first))

        shown = await says("Outlook stürzt beim Start ab.")
        assert "Outlook stürzt beim Start ab." in shown
        assert "Ohne Ihr Ja wird nichts weitergegeben" in shown
        assert len(house.topics) == 1, "nothing is passed on without a yes"
        assert "HD-000002" in await says("Ja, einverstanden")
        second = house.topics[1]
        assert "Zustimmung: Weitergabe an Dritte: Ja, einverstanden" in kim.reads(second)[0]

        await kim.presses("Übernehmen", second)
        await kim.writes("Welche Fassung von Outlook ist es?", second)
        await house.settled()
        assert "Firstline: Welche Fassung von Outlook ist es?" in ada.reads()
        assert await says("Das ist die Fassung 2019") == "", "the bot does not talk over a person"
        assert any("💬 Ada" in said and "Das ist die Fassung 2019" in said for said in kim.reads(second))
        await kim.writes("// der Hersteller kennt das", second)
        await kim.writes("/resolve Das Update von Microsoft behebt es.", second)
        await house.settled()
        assert not any("Hersteller kennt das" in said for said in ada.reads())
        await ada.presses("Ja, gelöst")
        await house.settled()
        await ada.presses("5")
        await house.settled()
        ticket = await house.ticket(2)
        assert (ticket.state, ticket.rating) == (TicketState.CLOSED, 5)
        assert server.groups.topics[FORUM, second].closed
        assert not server.groups.topics[FORUM, first].closed
        assert not any(token in said for topic in house.topics for said in kim.reads(topic)), "it is Ada's secret"
