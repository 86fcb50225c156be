"""Several people and several customers in one channel: everybody's request is their own organisation's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.agreement.customers import Contract, Level, Organisation
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.model import Person, Ticket
from bot.replay.stage import Stage, stage
from tests.fakes import FakeClassifier

ANNA, BEN, CARLA = Person("anna", "Anna"), Person("ben", "Ben"), Person("carla", "Carla")
NORD = Organisation("nord", "Nord GmbH", "1001", (Contract("1"),))
SUED = Organisation("sued", "Süd AG", "2002", (Contract("1"),))


async def _shared(play: Stage) -> None:
    async with play.app.store.transaction() as session:
        for person, organisation in ((ANNA, NORD), (BEN, SUED)):
            await session.customers.save(organisation, play.clock())
            await session.customers.bind(
                play.chat.adapter, person.id, organisation.id, Level.PROVEN, play.clock(), how="link"
            )


async def _tickets(play: Stage) -> list[Ticket]:
    async with play.app.store.snapshot() as session:
        return list(await session.tickets.all())


async def test_two_customers_in_one_channel_have_a_ticket_each(tmp_path: Path, catalogue: Catalogue) -> None:
    faults = FakeClassifier()
    async with stage(Settings(data=tmp_path), catalogue=catalogue, classifier=faults) as play:
        await _shared(play)
        await play.customer("Der Export ist kaputt", sender=ANNA)
        await play.pass_time(timedelta(minutes=1))
        await play.customer("Bei uns ist die Liste kaputt", sender=BEN)
        found = [(ticket.organisation, ticket.person) for ticket in await _tickets(play)]
        assert found == [("nord", "anna"), ("sued", "ben")]


async def test_a_stranger_in_the_channel_is_asked_and_not_taken_for_the_customer(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    faults = FakeClassifier()
    async with stage(Settings(data=tmp_path), catalogue=catalogue, classifier=faults) as play:
        await _shared(play)
        await play.customer("Der Export ist kaputt", sender=ANNA)
        happened = await play.customer("Bei mir ist auch etwas kaputt", sender=CARLA)
        assert "Kundennummer" in happened.replies[0].text
        assert [ticket.organisation for ticket in await _tickets(play)] == ["nord"]
