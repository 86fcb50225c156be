"""Customers in private chats and staff in a forum, on the same bot, with either way in: whole dialogues as both sides read them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.model import Mode, TicketState
from tests.conftest import TestDatabase
from tests.integration.desk import until
from tests.integration.telegram_house import House, a_house
from tests.loopback.faults import Fault
from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_forum import FORUM
from tests.loopback.telegram_people import ANONYMOUS, Human


@pytest.fixture(params=["fetched", "called"])
async def house(
    request: pytest.FixtureRequest, database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> AsyncIterator[House]:
    port = unused_tcp_port if request.param == "called" else 0
    async with (
        LoopbackTelegram().serve() as server,
        a_house(server, database, tmp_path, catalogue, port) as house,
    ):
        yield house


async def reported(house: House) -> int:
    """Ada has reported a fault: the topic of her ticket."""
    await house.ada.writes("Der Drucker ist kaputt")
    await house.settled()
    return house.topics[-1]


async def taken(house: House) -> int:
    topic = await reported(house)
    await house.kim.presses("Übernehmen", topic)
    await house.settled()
    return topic


def line(lines: list[str], *words: str) -> str:
    """The one line that has all of these words."""
    [found] = [each for each in lines if all(word in each for word in words)]
    return found


async def test_from_the_report_to_the_rating(house: House) -> None:
    topic = await reported(house)
    [card, *_] = house.kim.reads(topic)
    assert "HD-000001 · Der Drucker ist kaputt" in card
    assert "Zuständig: noch niemand" in card
    await house.kim.presses("Übernehmen", topic)
    await house.settled()
    assert "Zuständig: Kim" in house.kim.reads(topic)[0]
    line(house.ada.reads(), "Kim aus dem Serviceteam kümmert sich jetzt")

    await house.kim.writes("Bitte schalten Sie ihn einmal aus.", topic)
    await house.mira.writes("Der hat das jede Woche", topic)
    await house.ada.writes("Hat nicht geholfen")
    await house.settled()
    line(house.kim.reads(topic), "Kim: Bitte schalten Sie ihn einmal aus.", "👌")
    line(house.kim.reads(topic), "Mira: Der hat das jede Woche", "✍")
    line(house.kim.reads(topic), "Firstline: 💬 Ada", "Hat nicht geholfen")
    assert "Firstline: Bitte schalten Sie ihn einmal aus." in house.ada.reads()
    assert not any("jede Woche" in said for said in house.ada.reads())

    await house.kim.writes("/gelöst Die Patrone war leer.", topic)
    await house.settled()
    await house.ada.presses("Ja, gelöst")
    await house.settled()
    await house.ada.presses("5")
    await house.settled()
    ticket = await house.ticket()
    assert (ticket.state, ticket.rating) == (TicketState.CLOSED, 5)
    assert house.server.groups.topics[FORUM, topic].closed
    line(house.kim.reads(topic), "bewertet mit 5 von 5")
    assert "Stand: geschlossen" in house.kim.reads(topic)[0]


async def test_files_go_both_ways_and_an_album_arrives_whole(house: House) -> None:
    topic = await taken(house)
    await house.ada.sends("fehler.log", b"ERROR 17", "Das steht da")
    await until(lambda: any("Firstline: [fehler.log]" in said for said in house.kim.reads(topic)), within=30)
    await house.kim.sends("a.pdf", b"%PDF-1.7 a", "So geht es:", topic, media_group_id="m")
    await house.kim.sends("b.pdf", b"%PDF-1.7 b", topic=topic, media_group_id="m")
    await until(lambda: any("Firstline: [b.pdf]" in said for said in house.ada.reads()), within=30)
    contents = [
        sent["file"]["content"] for (chat, _), sent in house.server.sent.items() if chat == 1 and "file" in sent
    ]
    assert contents == [b"%PDF-1.7 a", b"%PDF-1.7 b"]
    line(house.ada.reads(), "[a.pdf] So geht es:")


async def test_handed_back_the_bot_speaks_again(house: House) -> None:
    topic = await taken(house)
    await house.kim.presses("An den Bot zurückgeben", topic)
    await house.settled()
    ticket = await house.ticket()
    assert ticket.state is TicketState.OPEN
    async with house.app.store.snapshot() as session:
        conversation = await session.conversations.get(ticket.conversation_id)
    assert conversation.mode is not Mode.HUMAN
    line(house.kim.reads(topic), "Kim hat das Wort an den Bot zurückgegeben")


async def test_where_nobody_has_it_the_question_decides_and_goes(house: House) -> None:
    topic = await reported(house)
    await house.kim.writes("Ich sehe nach", topic)
    await house.settled()
    assert not any("Ich sehe nach" in said for said in house.ada.reads())
    await house.kim.presses("Antworten und übernehmen", topic)
    await house.settled()
    assert "Firstline: Ich sehe nach" in house.ada.reads()
    line(house.kim.reads(topic), "Kim: Ich sehe nach", "👌")
    assert not any("Soll das an den Kunden gehen" in said for said in house.kim.reads(topic))


async def test_what_is_chosen_from_the_menu(house: House) -> None:
    topic = await taken(house)
    for label in ("Mehr …", "Priorität", "hoch"):
        await house.kim.presses(label, topic)
        await house.settled()
    for label in ("Mehr …", "Kategorie", "Bedienung und Funktionen"):
        await house.kim.presses(label, topic)
        await house.settled()
    assert "Priorität: hoch" in house.kim.reads(topic)[0]
    assert (await house.ticket()).category == "in_scope.usage"


async def test_edits_are_seen_on_both_sides(house: House) -> None:
    topic = await taken(house)
    reply = await house.kim.writes("Bitte neu startn", topic)
    await house.settled()
    await house.kim.edits(reply, "Bitte neu starten")
    await house.settled()
    assert "Firstline: Bitte neu starten" in house.ada.reads()
    assert not any("startn" in said for said in house.ada.reads())
    said = await house.ada.writes("Geht nich")
    await house.settled()
    await house.ada.edits(said, "Geht nicht")
    await house.settled()
    line(house.kim.reads(topic), "✏️ Ada hat die Nachricht geändert", "Geht nicht", "Vorher:", "Geht nich")


async def test_a_customer_who_has_blocked_the_bot_is_told_loudly_and_by_name(house: House) -> None:
    topic = await taken(house)
    house.server.blocked.add(1)
    await house.kim.writes("Hallo?", topic)
    await house.settled()
    line(house.kim.reads(topic), "Kim: Hallo?", "👎")
    told = line(house.kim.reads(topic), "Nicht zugestellt", "Hallo?")
    assert told.startswith("Firstline: Kim ")
    assert any("tg://user?id=501" in sent["params"]["text"] for sent in house.server.sent.values())


async def test_a_topic_that_somebody_deleted_comes_back_with_what_was_to_be_said(house: House) -> None:
    topic = await taken(house)
    house.server.groups.delete_topic(FORUM, topic, house.server.sent)
    await house.ada.writes("Es eilt")
    await house.settled()
    [new] = house.topics
    assert new != topic
    assert "Zuständig: Kim" in house.kim.reads(new)[0]
    line(house.kim.reads(new), "💬 Ada", "Es eilt")
    await house.kim.writes("Ich komme", new)
    await house.settled()
    assert "Firstline: Ich komme" in house.ada.reads()


async def test_a_card_that_somebody_deleted_comes_back_in_its_topic(house: House) -> None:
    topic = await reported(house)
    [card, *_] = sorted(number for chat, number in house.server.sent if chat == FORUM)
    del house.server.sent[FORUM, card]
    await house.kim.writes("/take", topic)
    await house.settled()
    await house.kim.writes("/prio hoch", topic)
    await house.settled()
    assert house.topics == [topic]
    assert "Priorität: hoch" in line(house.kim.reads(topic), "Stand: in Bearbeitung")


async def test_a_stranger_does_nothing_and_it_is_seen_and_kept(house: House) -> None:
    topic = await reported(house)
    before = house.ada.reads()
    await house.eve.presses("Gelöst", topic)
    await house.eve.writes("Ich bin der Chef", topic)
    await house.eve.writes("/resolve Alles gut", topic)
    await house.settled()
    assert (await house.ticket()).state is TicketState.OPEN
    assert house.ada.reads() == before
    assert (await house.kinds()).count("staff_refused") == 3
    line(house.kim.reads(topic), "Eve gehört nicht zum Serviceteam")
    line(house.kim.reads(topic), "Eve: Ich bin der Chef", "👎")
    assert len(house.server.answered) == 1, "the button does not spin for ever"


async def test_a_customer_cannot_make_up_a_press_of_staff(house: House) -> None:
    await reported(house)
    forged = Human(house.server, 1, "Ada", 1)
    number = next(number for chat, number in house.server.sent if chat == 1)
    keyboard = {"inline_keyboard": [[{"text": "Gelöst", "callback_data": "staff:resolve:1"}]]}
    house.server.sent[1, number]["params"]["reply_markup"] = keyboard
    await forged.presses("Gelöst")
    await house.settled()
    assert (await house.ticket()).state is TicketState.OPEN


async def test_who_writes_anonymously_is_told_that_it_had_no_effect(house: House) -> None:
    topic = await taken(house)
    await house.kim.writes("Streng geheim", topic, **{"from": ANONYMOUS, "sender_chat": {"id": FORUM, "title": "Desk"}})
    await house.settled()
    assert not any("geheim" in said for said in house.ada.reads())
    line(house.kim.reads(topic), "Desk gehört nicht zum Serviceteam oder schreibt anonym")


@pytest.mark.parametrize("text", ["/resolv Alles gut", "!erledigd", "/hilfe@firstline_bot", "/start", "/person"])
async def test_no_command_reaches_the_customer(house: House, text: str) -> None:
    topic = await taken(house)
    before = house.ada.reads()
    await house.kim.writes(text, topic)
    await house.settled()
    assert house.ada.reads() == before


async def test_the_menu_of_commands_is_that_of_staff_where_they_sit(house: House) -> None:
    await reported(house)
    offered = {command["command"] for command in house.server.menus[str(FORUM)]}
    assert {"take", "note", "resolve", "undo", "help"} <= offered
    assert not offered & {"meine_tickets", "hilfe", "neu"}
    assert "take" not in {command["command"] for command in house.server.menus[""]}


async def test_outside_of_topics_staff_talk_among_themselves(house: House) -> None:
    await taken(house)
    before = house.ada.reads()
    await house.kim.writes("Wer holt Kaffee?")
    await house.kim.writes("/tickets")
    await house.settled()
    assert house.ada.reads() == before
    line(house.kim.reads(), "Offene Tickets: 1")
    assert len(house.kim.reads()) == 3


async def test_a_tick_that_telegram_holds_up_comes_when_it_lets_it(house: House) -> None:
    topic = await taken(house)
    house.server.fail("setMessageReaction", Fault(status=429, retry_after=1))
    await house.kim.writes("Ich komme", topic)
    await house.settled()
    line(house.kim.reads(topic), "Kim: Ich komme", "👌")
