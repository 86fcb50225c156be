"""What staff see and do in their own chat: a thread for each ticket, and nothing of it reaches a customer but what is meant to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.catalogue.catalogue import Catalogue
from bot.desk.erase import erase_person
from bot.errors import DeliveryError, SettingsError
from bot.model import Attachment, Author, ChatRef, Mark, Person, TicketState
from bot.room.listen import Room
from bot.room.places import Places
from bot.room.roster import read_roster
from bot.room.tell import Teller
from bot.storage import tables
from bot.storage.files import Folder
from tests.conftest import TestDatabase
from tests.fakes import START, FakeClock, a_message
from tests.integration.desk import until
from tests.integration.room import ROOM, House, a_house


@pytest.fixture
async def house(database: TestDatabase, tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[House]:
    async with a_house(database, tmp_path, catalogue) as house:
        yield house


async def test_a_ticket_is_a_thread_with_a_card_and_the_talk_so_far(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    assert house.staff.calls[:3] == ["open", "card", "say"]
    assert house.card["title"].startswith("HD-000001")
    assert house.card["fields"]["Zuständig"] == "noch niemand"
    assert "staff:take:1" in house.card["buttons"]
    assert "Der Drucker ist kaputt" in house.thread[0]


async def test_what_the_customer_adds_is_shown_once(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    message = await house.customer("Der Toner ist auch kaputt")
    await house.app.receiver(message)
    await house.settled()
    assert sum("Der Toner ist auch kaputt" in said for said in house.thread) == 1


async def test_taking_over_from_the_card_shows_who_has_it(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    assert (await house.ticket()).state is TicketState.TAKEN
    assert house.card["fields"]["Zuständig"] == "Kim"
    assert any("Kim" in said and "übernommen" in said for said in house.thread)
    assert any("Kim" in text for text in house.customers.texts), "the customer reads who helps"


async def test_the_owners_text_is_a_reply_and_gets_its_tick(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    said = await house.says("Bitte schalten Sie ihn einmal aus.")
    assert house.customers.texts[-1] == "Bitte schalten Sie ihn einmal aus."
    assert house.staff.marks[said.message_id] == [Mark.SENDING, Mark.SENT]
    assert not any("ausschalten" in text or "schalten Sie" in text for text in house.thread), "nobody needs it twice"


async def test_anybody_elses_text_is_a_note(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    said = await house.says("Der Kunde ist geheim schwierig", who="mira")
    assert house.staff.marks[said.message_id] == [Mark.NOTED]
    assert not any("geheim" in text for text in house.customers.texts)


async def test_where_nobody_has_it_it_is_asked_and_nothing_leaves(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    before = len(house.customers.texts)
    said = await house.says("Ich sehe nach")
    assert "Kunden" in house.thread[-1]
    assert house.staff.buttons[-1] == [f"staff:as_reply:{said.message_id}", f"staff:as_note:{said.message_id}"]
    assert len(house.customers.texts) == before
    await house.press(f"staff:as_reply:{said.message_id}", reply_to="q1")
    assert "Ich sehe nach" in house.customers.texts
    assert (await house.ticket()).assignee == "Kim"
    assert house.staff.marks[said.message_id][-1] is Mark.SENT


async def test_whoever_is_not_a_member_does_nothing(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    before = list(house.customers.texts)
    await house.press("staff:take:1", who="stranger")
    await house.says("Ich bin der Chef", who="stranger")
    await house.says("/resolve", who="stranger")
    assert (await house.ticket()).state is TicketState.OPEN
    assert house.customers.texts == before
    assert sum("gehört nicht zum Serviceteam" in said for said in house.thread) == 1, "they see it, once"
    assert list(house.staff.marks.values()) == [[Mark.FAILED]] * 2


async def test_whoever_has_just_joined_need_not_wait_and_a_stranger_costs_no_call_each(house: House) -> None:
    room = house.app.desk  # on the same platforms and the same database
    clock = FakeClock()
    asked = Room(
        room.store, room.engine, room.adapters, room, room.catalogue, clock, Places(ChatRef("desk", ROOM)), "de"
    )
    newcomer, chat = Person("neu", "Neu"), ChatRef("desk", ROOM)
    assert await asked.member(chat, newcomer) is None
    house.staff.members.add("neu")
    assert await asked.member(chat, newcomer) is None, "remembered for a moment"
    clock.advance(timedelta(seconds=30))
    assert await asked.member(chat, newcomer) == Person("desk:neu", "Neu")
    house.staff.members.discard("neu")
    clock.advance(timedelta(minutes=1))
    assert await asked.member(chat, newcomer) is not None
    clock.advance(timedelta(minutes=5))
    assert await asked.member(chat, newcomer) is None


async def test_a_customer_who_makes_up_a_press_does_nothing(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    before = list(house.customers.texts)
    await house.customer("", action="staff:resolve:1")
    await house.customer("", action="staff:take:1", sender="kim")
    assert (await house.ticket()).state is TicketState.OPEN
    assert house.customers.texts == before


@pytest.mark.parametrize("text", ["/resolv", "!erledigd bitte", "/foo bar"])
async def test_a_mistyped_command_never_reaches_the_customer(house: House, text: str) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    before = list(house.customers.texts)
    await house.says(text)
    assert house.customers.texts == before
    assert "gibt es nicht" in house.thread[-1]


async def test_commands_in_both_languages(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.says("/übernehmen")
    assert (await house.ticket()).assignee == "Kim"
    await house.says("!prio hoch")
    assert house.card["fields"]["Priorität"] == "hoch"
    await house.says("/category usage")
    assert (await house.ticket()).category == "in_scope.usage"
    await house.says("/da", who="mira")
    await house.says("/assign mira")
    await house.says("/notiz nur für uns", who="mira")
    await house.says("/gelöst Jetzt geht es wieder.", who="mira")
    assert (await house.ticket()).state is TicketState.RESOLVED
    assert any("Jetzt geht es wieder." in text for text in house.customers.texts)
    assert not any("nur für uns" in text for text in house.customers.texts)


async def test_a_refusal_is_told_to_whoever_gave_the_order(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    await house.press("staff:take:1", who="mira")
    assert "Kim" in house.thread[-1]
    assert "Nicht möglich" in house.thread[-1]
    assert (await house.ticket()).assignee == "Kim"


async def test_a_reply_that_cannot_be_delivered_is_told_as_loud_as_can_be(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    house.customers.behaviour.extend([DeliveryError("blocked", unreachable=True)])
    said = await house.says("Hallo?")
    assert house.staff.marks[said.message_id][-1] is Mark.FAILED
    assert "@kim" in house.thread[-1]
    assert "Hallo?" in house.thread[-1]


async def test_who_takes_over_reads_what_the_bot_was_about_to_say(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    house.customers.behaviour.append(DeliveryError("busy", retry_after=timedelta(hours=1)))
    await house.customer("Der Toner ist auch kaputt")
    read = len(house.customers.texts)
    async with house.app.store.snapshot() as session:
        [held_up] = [letter for letter in await session.outbox.in_state("pending") if letter.author is Author.BOT]
    await house.press("staff:take:1")
    [taken] = [said for said in house.thread if "Kim" in said and "übernommen" in said]
    assert "hat der Kunde nicht bekommen" in taken
    assert (held_up.text or "…") in taken.replace("\n> ", "\n")
    assert held_up.text not in house.customers.texts[read:]


async def test_nobody_is_told_that_the_customer_has_not_got_what_may_have_arrived(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    house.customers.behaviour.append(DeliveryError("cut off", uncertain=True, retry_after=timedelta(hours=1)))
    await house.customer("Der Toner ist auch kaputt")
    async with house.app.store.snapshot() as session:
        [in_doubt] = [letter for letter in await session.outbox.in_state("pending") if letter.author is Author.BOT]
    assert in_doubt.uncertain == 1
    await house.press("staff:take:1")
    [taken] = [said for said in house.thread if "Kim" in said and "übernommen" in said]
    assert "nicht bekommen" not in taken


async def test_a_changed_reply_is_changed_at_the_customers(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    said = await house.says("Bitte neu startn")
    await house.says("Bitte neu starten", edit_of=said.message_id)
    assert house.customers.texts[-1] == "Bitte neu starten"
    assert house.staff.marks[said.message_id][-1] is Mark.SENT


@pytest.mark.parametrize("undo", [0, 600])
async def test_a_reply_that_is_changed_into_a_note_says_nothing_more_to_the_customer(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, undo: int
) -> None:
    async with a_house(database, tmp_path, catalogue, undo_seconds=undo) as house:
        await house.customer("Der Drucker ist kaputt")
        await house.press("staff:take:1")
        said = await house.says("Bitte neu starten")
        before = list(house.customers.texts)
        await house.says("// geheim: der Kunde lügt", edit_of=said.message_id)
        assert house.customers.texts == before
        async with house.app.store.snapshot() as session:
            letters = await session.outbox.in_state("pending", "sending", "sent")
            notes = [e for e in await session.events.of_ticket(1) if e.kind == "staff_noted"]
        assert not any("geheim" in letter.text for letter in letters if letter.author is not Author.STAFF)
        assert [note.data["text"] for note in notes] == ["geheim: der Kunde lügt"]
        assert ("Bitte neu starten" in before) == (undo == 0)
        if undo:  # it had not left, and it never will
            assert not any(letter.text == "Bitte neu starten" for letter in letters)


async def test_a_question_that_is_changed_into_a_note_is_one(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    said = await house.says("der Kunde ist geheim schwierig")
    await house.says("// der Kunde ist geheim schwierig", edit_of=said.message_id)
    await house.press(f"staff:as_reply:{said.message_id}", reply_to="q1")
    assert not any("geheim" in text for text in house.customers.texts)
    assert (await house.ticket()).owner is None


async def test_whoever_has_passed_a_ticket_on_changes_nothing_the_customer_reads(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.says("!here", who="mira")
    await house.press("staff:take:1")
    said = await house.says("Bitte neu starten")
    await house.says("!assign mira")
    await house.says("geheim: übernimm du", edit_of=said.message_id)
    assert not any("geheim" in text for text in house.customers.texts)


async def test_a_reply_with_a_file_that_is_changed_loses_no_file(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    async with a_house(database, tmp_path, catalogue, undo_seconds=2) as house:
        await house.customer("Der Drucker ist kaputt")
        await house.press("staff:take:1")
        house.staff.files["ref2"] = b"%PDF-1.7 anleitung"
        pdf = Attachment("anleitung.pdf", "application/pdf", 4, "ref2")
        said = await house.says("So gehts:", attachments=(pdf,))
        await until(lambda: Mark.SENDING in house.staff.marks.get(said.message_id, []))
        await house.says("So geht es:", edit_of=said.message_id)
        assert "nicht mehr ändern" in house.thread[-1]
        await until(lambda: "So gehts: [anleitung.pdf]" in house.customers.texts)


async def test_a_customers_edit_is_shown_as_one(house: House) -> None:
    message = await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    edit = replace(
        message, text="Der Scanner ist kaputt", message_id=f"{message.message_id}@1", edit_of=message.message_id
    )
    await house.app.receiver(edit)
    await house.settled()
    assert any("geändert" in said and "Scanner" in said and "Drucker" in said for said in house.thread)


async def test_a_thread_that_somebody_deleted_comes_back_with_what_was_to_be_said(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    house.staff.delete("t1")
    await house.customer("Er raucht jetzt auch und ist kaputt")
    (thread,) = house.staff.threads
    assert any("raucht" in said for said in house.staff.threads[thread])
    await house.says("Ich komme", thread=thread)
    assert "Kunden" in house.staff.threads[thread][-1]


async def test_a_closed_ticket_closes_its_thread_and_reopens_it(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.says("/close")
    assert house.staff.shut_threads == {"t1"}
    await house.says("/reopen")
    assert house.staff.shut_threads == set()
    assert (await house.ticket()).assignee == "Kim"


async def test_the_words_that_close_a_ticket_are_heard_and_what_comes_after_is_not(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.says("/resolve")
    await house.customer("Ja, gelöst", action="solved:1")
    assert any("Ja, gelöst" in said for said in house.thread)
    await house.customer("Wie wird eigentlich das Wetter?")
    assert not any("Wetter" in said for said in house.thread)


async def test_what_the_bot_has_answered_reads_as_the_customer_reads_it(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    assert "**HD-000001**" in house.thread[0]
    assert "unterwegs" not in house.thread[0]


async def test_a_menu_changes_as_one_goes_on_in_it(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:menu:1")
    assert "staff:menu:1:priority" in house.staff.buttons[-1]
    await house.press("staff:menu:1:priority", reply_to="m9")
    assert "staff:priority:1:high" in house.staff.buttons[-1]
    await house.press("staff:priority:1:high", reply_to="m9")
    assert house.card["fields"]["Priorität"] == "hoch"


async def test_talk_among_staff_outside_of_threads_is_nobodys_business(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    before = (list(house.customers.texts), len(house.staff.calls))
    await house.says("Wer geht mit zum Essen?", thread=None)
    assert (list(house.customers.texts), len(house.staff.calls)) == before
    await house.says("/tickets", thread=None)
    assert "HD-000001" in house.staff.outside[-1]


async def test_tickets_that_are_open_already_come_into_a_new_place(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    async with a_house(database, tmp_path, catalogue, staff_chat=None) as before:
        await before.customer("Der Drucker ist kaputt")
        assert not before.staff.threads
    for _ in range(2):  # the second time they are there already
        async with a_house(database, tmp_path, catalogue) as house:
            await house.settled()
            if house.staff.threads:
                assert "Der Drucker ist kaputt" in house.thread[0]
                opened = house.staff
    assert opened.calls.count("open") == 1
    assert not house.staff.threads


async def test_one_person_is_the_same_everywhere_with_a_list(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    listed = tmp_path / "staff.yaml"
    listed.write_text("- name: Kim Berger\n  desk: kim\n  fake: K1\n- name: Mira Öz\n  desk: M2\n", encoding="utf-8")
    async with a_house(database, tmp_path, catalogue, staff_file=listed) as house:
        await house.customer("Der Drucker ist kaputt", chat="shared")
        await house.press("staff:take:1", who="stranger")
        await house.press("staff:take:1", who="mira")  # a member of the chat, but not of the list
        assert (await house.ticket()).owner is None
        await house.customer("Wir sehen uns das an.", chat="shared", sender="K1")
        assert (await house.ticket()).assignee == "Kim Berger"
        assert any("in dessen Chat" in said for said in house.thread)
        await house.says("Geht es wieder?")
        assert house.customers.texts[-1] == "Geht es wieder?"
        await house.press("staff:assign:1:mira-oz", who="kim", reply_to="m1")
        assert (await house.ticket()).assignee == "Mira Öz"


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("", "The file is empty"),
        ("name: Kim\n", "a list of people"),
        ("- name: Kim\n", "has no id"),
        ("- telegram: 5\n", "Field required"),
        ("- name: Kim\n  telegram: [5]\n", "is no id"),
        ("- name: Kim\n  telegram: 5\n- name: Mira\n  telegram: 5\n", ":3:"),
        ("- name: Kim\n  telegram: 5\n- name: kim\n  slack: U5\n", "listed twice"),
        ("- name: [\n", ":"),
    ],
)
def test_a_list_of_staff_that_cannot_be_used_is_refused_with_file_and_line(
    tmp_path: Path, written: str, wrong: str
) -> None:
    listed = tmp_path / "staff.yaml"
    listed.write_text(written, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        read_roster(listed)
    assert wrong in str(refused.value)
    assert "staff.yaml" in str(refused.value)


async def test_a_place_that_cannot_be_used_loses_no_ticket(house: House) -> None:
    house.staff.behaviour.extend([DeliveryError("no right to open topics", permanent=True)])
    await house.customer("Der Drucker ist kaputt")
    assert not house.staff.threads
    async with house.app.store.snapshot() as session:
        states = {letter.state for letter in await session.outbox.in_state("pending", "dead", "uncertain", "dropped")}
    assert states == {"pending"}


async def test_an_erased_customer_is_forgotten_in_the_threads_too(house: House, tmp_path: Path) -> None:
    await house.customer("Der Drucker von Frau Geheim ist kaputt")
    await house.press("staff:take:1")
    await house.says("Guten Tag Frau Geheim")
    files = Folder(tmp_path / "files")
    await erase_person(house.app.store, files, "fake", "kunde", START, actor="test")
    async with house.app.store.snapshot() as session:
        for table in tables.metadata.sorted_tables:
            for row in await session.connection.execute(select(table)):
                assert "Geheim" not in str(row), table.name


async def test_files_go_both_ways_and_wait_for_each_other(house: House) -> None:
    screenshot = Attachment("fehler.png", "image/png", 4, "ref1")
    house.customers.files["ref1"] = b"\x89PNG\r\n\x1a\nx"
    await house.customer("Der Drucker ist kaputt", attachments=(screenshot,))
    await until(lambda: any("[fehler.png]" in said for said in house.thread))
    await house.press("staff:take:1")
    house.staff.files["ref2"] = b"%PDF-1.7 anleitung"
    await house.says("So geht es:", attachments=(Attachment("anleitung.pdf", "application/pdf", 4, "ref2"),))
    await until(lambda: "So geht es: [anleitung.pdf]" in house.customers.texts)


async def test_a_file_that_is_there_before_its_message_is_handled_is_shown_once(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    async with a_house(database, tmp_path, catalogue, burst_seconds=0.5) as house:
        await house.customer("Der Drucker ist kaputt")
        await until(lambda: "t1" in house.staff.threads)
        house.customers.files["ref1"] = b"\x89PNG\r\n\x1a\nx"
        await house.customer("Das steht da", attachments=(Attachment("fehler.png", "image/png", 4, "ref1"),))
        await until(lambda: any("Das steht da" in said for said in house.thread))
        await until(lambda: any("[fehler.png]" in said for said in house.thread))
        await house.settled()
        assert sum("[fehler.png]" in said for said in house.thread) == 1


async def test_a_file_that_is_there_only_after_the_bot_has_answered_is_shown_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.customer("Der Drucker ist kaputt")
    there, fetch = asyncio.Event(), house.customers.fetch
    house.customers.files["ref1"] = b"\x89PNG\r\n\x1a\nx"

    async def slow(attachment: Attachment) -> AsyncGenerator[bytes, None]:
        await there.wait()
        async for piece in fetch(attachment):
            yield piece

    monkeypatch.setattr(house.customers, "fetch", slow)
    screenshot = Attachment("fehler.png", "image/png", 4, "ref1")
    await house.app.receiver(a_message("Guten Morgen", attachments=(screenshot,)))
    await until(lambda: any("Guten Morgen" in said and "geantwortet" in said for said in house.thread))
    there.set()
    await until(lambda: any("[fehler.png]" in said for said in house.thread))
    await house.settled()
    assert sum("[fehler.png]" in said for said in house.thread) == 1


async def test_a_file_that_came_before_staff_heard_of_the_ticket_is_in_its_thread(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_house(database, tmp_path, catalogue) as house:
        telling, tell = asyncio.Event(), Teller.__call__

        async def slow(self: Teller, conversation_id: str) -> timedelta | None:
            await telling.wait()
            return await tell(self, conversation_id)

        monkeypatch.setattr(Teller, "__call__", slow)
        house.customers.files["ref1"] = b"\x89PNG\r\n\x1a\nx"
        await house.app.receiver(a_message("Der Drucker ist kaputt"))
        await until(lambda: any("HD-000001" in text for text in house.customers.texts))
        screenshot = Attachment("fehler.png", "image/png", 4, "ref1")
        await house.app.receiver(a_message("Guten Morgen", attachments=(screenshot,)))
        await until(lambda: len(house.customers.texts) == 2)
        telling.set()
        await until(lambda: "t1" in house.staff.threads)
        await until(lambda: any("[fehler.png]" in said for said in house.thread))
        await house.settled()
        assert sum("[fehler.png]" in said for said in house.thread) == 1


async def test_a_file_that_cannot_be_had_lets_nothing_out(house: House) -> None:
    await house.customer("Der Drucker ist kaputt")
    await house.press("staff:take:1")
    await house.says("So geht es:", attachments=(Attachment("x.pdf", "application/pdf", 4, "gone"),))
    await until(lambda: "x.pdf" in house.thread[-1])
    assert "Nichts ist verschickt" in house.thread[-1]
    assert not any("So geht es" in text for text in house.customers.texts)
