"""Forms in Slack: what staff press opens one, what they fill in is done once each, and without one all goes on as before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.model import Priority, TicketState
from tests.conftest import TestDatabase
from tests.integration.pairs import DESK, Pair, a_pair
from tests.loopback.faults import Fault
from tests.loopback.slack import LoopbackSlack
from tests.loopback.slack_people import Human

SENTENCE = "Der Toner war leer, jetzt druckt er wieder."


class Office:
    """A ticket in Slack; ``kim`` and ``eve`` stand before its card."""

    def __init__(self, pair: Pair) -> None:
        assert isinstance(pair.kim, Human)
        assert isinstance(pair.eve, Human)
        self.pair, self.kim, self.eve = pair, pair.kim, pair.eve
        self.server: LoopbackSlack = pair.kim.server

    async def press(self, label: str, who: Human | None = None) -> str:
        trigger = await (who or self.kim).presses(label, self.pair.topic)
        await self.pair.settled()
        return trigger

    async def fill_in(self, trigger: str, who: Human | None = None, **values: str) -> None:
        await (who or self.kim).fills_in(trigger, **values)
        await self.pair.settled()


@pytest.fixture(params=[False, True], ids=["socket", "http"])
async def office(
    request: pytest.FixtureRequest, database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> AsyncIterator[Office]:
    async with a_pair(
        "slack", "slack", database, tmp_path, catalogue, unused_tcp_port, called=request.param, identify="never"
    ) as pair:
        await pair.ada.writes("Der Drucker ist kaputt")
        await pair.settled()
        yield Office(pair)


async def test_a_closing_sentence_is_written_before_the_ticket_is_resolved(office: Office) -> None:
    trigger = await office.press("Gelöst")
    assert (await office.pair.ticket()).state is TicketState.OPEN, "nothing has been ordered yet"
    for _ in range(2):  # as when Slack shows that it failed, and the button is pressed again
        await office.fill_in(trigger, Satz=SENTENCE)
    assert (await office.pair.ticket()).state is TicketState.RESOLVED
    assert office.pair.read.count(SENTENCE) == 1
    assert (await office.pair.kinds()).count("ticket_resolved") == 1
    assert "Nicht möglich" not in office.pair.thread


async def test_no_sentence_is_needed(office: Office) -> None:
    await office.fill_in(await office.press("Gelöst"))
    assert (await office.pair.ticket()).state is TicketState.RESOLVED


async def test_what_is_changed_in_the_form_is_done_and_the_rest_is_left_alone(office: Office) -> None:
    trigger = await office.press("Mehr …")
    view = office.server.views[trigger]
    labels = [block["label"]["text"] for block in view["blocks"]]
    assert labels[:2] == ["Kategorie", "Priorität"]
    assert view["blocks"][1]["element"]["initial_option"]["value"] == "normal"
    await office.fill_in(trigger, Priorität="hoch", Notiz="liegt am\nToner")
    ticket = await office.pair.ticket()
    assert ticket.priority is Priority.HIGH
    assert "liegt am" in office.pair.thread
    assert "liegt am" not in office.pair.read
    kinds = await office.pair.kinds()
    assert (kinds.count("ticket_prioritised"), kinds.count("ticket_corrected"), kinds.count("staff_replied")) == (
        1,
        0,
        0,
    )
    assert "Erledigt." not in office.pair.thread


async def test_a_prepared_text_goes_to_the_customer(office: Office) -> None:
    trigger = await office.press("Mehr …")
    element = next(
        b["element"] for b in office.server.views[trigger]["blocks"] if "Vorbereiteter" in b["label"]["text"]
    )
    label = next(o["text"]["text"] for o in element["options"] if o["value"] == "working_on_it")
    await office.fill_in(trigger, Vorbereiteter=label)
    assert "Sobald es etwas Neues gibt" in office.pair.read


async def test_where_no_form_can_be_opened_the_press_goes_on_as_a_press(office: Office) -> None:
    office.server.fail("views.open", Fault(status=429, retry_after=1))
    trigger = await office.press("Mehr …")
    assert trigger not in office.server.views
    assert "Was soll geschehen?" in office.pair.thread
    office.server.fail("views.open", Fault(status=429, retry_after=1))
    await office.press("Gelöst")
    assert (await office.pair.ticket()).state is TicketState.RESOLVED


async def test_whoever_is_not_of_staff_gets_no_form_and_can_send_none(office: Office) -> None:
    trigger = await office.press("Gelöst", office.eve)
    assert trigger not in office.server.views
    assert (await office.pair.kinds()).count("staff_refused") == 1
    opened = await office.press("Gelöst")
    await office.fill_in(opened, office.eve, Satz="Ich bin der Chef.")
    assert (await office.pair.ticket()).state is TicketState.OPEN
    assert "Chef" not in office.pair.read
    assert (await office.pair.kinds()).count("staff_refused") == 2


async def test_a_form_that_is_too_late_is_refused_in_words(office: Office) -> None:
    trigger = await office.press("Gelöst")
    await office.kim.writes("!close", office.pair.topic)
    await office.pair.settled()
    await office.fill_in(trigger, Satz=SENTENCE)
    assert "Nicht möglich" in office.pair.thread
    assert SENTENCE not in office.pair.read


async def test_a_card_that_somebody_deletes_comes_back_with_its_talk(office: Office) -> None:
    before = office.pair.topic
    await office.kim.clears_away(before)
    await office.pair.settled()
    [after] = office.pair.topics()
    assert after != before
    assert "HD-000001" in office.pair.card
    await office.kim.writes("!übernehmen", after)
    await office.pair.settled()
    assert (await office.pair.ticket()).assignee == "Kim"
    await office.kim.writes("Ich komme gleich.", before)
    await office.pair.settled()
    assert "gehört kein Ticket" in "\n".join(office.kim.reads(before))
    assert "Ich komme gleich" not in office.pair.read


async def test_one_message_of_staff_delivered_eleven_times_is_one_reply(office: Office) -> None:
    await office.kim.writes("!take", office.pair.topic)
    await office.pair.settled()
    ts = await office.kim.writes("Bitte einmal neu starten.", office.pair.topic)
    event = office.server.written[DESK, ts]
    for number in range(10):
        payload = {"type": "event_callback", "event_id": f"EvAgain{number}", "team_id": "T0FIRST", "event": event}
        office.server.push(payload)
    await office.pair.settled()
    assert office.pair.read.count("Bitte einmal neu starten.") == 1


async def test_what_staff_say_among_themselves_is_kept_nowhere(office: Office) -> None:
    await office.kim.writes("!tickets")
    await office.pair.settled()
    ts = await office.kim.writes("Wer geht mit zum Essen?")
    await office.kim.writes("Ich!", ts)
    await office.pair.settled()
    async with office.pair.app.store.snapshot() as session:
        assert await session.inbox.count("handled") == 2
    assert "HD-000001" in "\n".join(office.kim.reads())
