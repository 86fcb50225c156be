"""People take tickets over and talk: one owner, the bot silent, replies that can be taken back, threads that never leak."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.desk.staff import Desk as StaffDesk
from bot.desk.staff import TicketError
from bot.model import ChatRef, Mode, Person, TicketState
from tests.conftest import TestDatabase
from tests.fakes import a_message, by_name
from tests.integration.desk import Desk

KIM, MIRA = Person("kim", "Kim Berger"), Person("mira", "Mira Hahn")
THREAD = ChatRef("fake", "staff", "7")
NONE_OUT = timedelta(seconds=10)


async def _ticket(desk: Desk, text: str = "Der Drucker ist kaputt", chat: str = "c1") -> int:
    """A message that becomes a ticket, with the bot's reply sent; the ticket's number."""
    await desk.receive(a_message(text, chat=chat))
    await desk.handle_all()
    await desk.deliver_all()
    desk.adapter.sent.clear()
    return (await desk.tickets())[-1].number


async def _mode(desk: Desk, number: int) -> Mode:
    ticket = next(t for t in await desk.tickets() if t.number == number)
    return (await desk.conversation(ticket.conversation_id)).mode


async def test_of_two_who_take_it_at_the_same_time_one_has_it_and_the_customer_hears_of_one(
    desk: Desk, staff: StaffDesk, database: TestDatabase, catalogue: Catalogue
) -> None:
    other = StaffDesk(database.store(), desk.engine, by_name(desk.adapter), lambda: catalogue, desk.clock, "de")
    for n in range(8):
        number = await _ticket(desk, chat=f"r{n}")
        results = await asyncio.gather(staff.take(number, KIM), other.take(number, MIRA), return_exceptions=True)
        refused = [result for result in results if isinstance(result, TicketError)]
        (won,) = [result for result in results if not isinstance(result, BaseException)]
        assert len(refused) == 1
        assert won.assignee is not None
        assert won.assignee in str(refused[0])
        await desk.deliver_all()
        assert [won.assignee in text for text in desk.adapter.texts] == [True]


async def test_taking_ones_own_again_says_nothing_twice(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    await staff.take(number, KIM)
    await staff.take(number, KIM)
    await desk.deliver_all()
    assert len(desk.adapter.texts) == 1


async def test_a_reply_is_not_sent_before_its_time_and_can_be_taken_back_until_then(
    desk: Desk, staff: StaffDesk
) -> None:
    number = await _ticket(desk)
    await staff.reply(number, KIM, "Das war ein Versehen")
    assert await desk.deliver("fake:c1") == NONE_OUT
    with pytest.raises(TicketError, match="no reply of yours"):
        await staff.undo(number, MIRA)
    assert await staff.undo(number, KIM) == "Das war ein Versehen"
    await staff.reply(number, KIM, "So ist es richtig")
    await desk.deliver_all()
    assert desk.adapter.texts == ["So ist es richtig"]
    with pytest.raises(TicketError, match="not been sent yet"):
        await staff.undo(number, KIM)


async def test_a_reply_that_was_taken_back_is_no_response(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    await staff.reply(number, KIM, "Versehen")
    async with desk.store.snapshot() as session:
        assert await session.events.responded(number)
    await staff.undo(number, KIM)
    async with desk.store.snapshot() as session:
        assert not await session.events.responded(number)


async def test_a_question_that_is_taken_back_waits_for_nobody(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    assert (await staff.ask(number, KIM, "Welche Nummer?")).state is TicketState.WAITING_FOR_CUSTOMER
    await staff.undo(number, KIM)
    assert (await staff.take(number, KIM)).state is TicketState.TAKEN


async def test_resolving_one_of_two_tickets_gives_the_bot_no_word_while_the_other_is_with_a_person(
    desk: Desk, staff: StaffDesk
) -> None:
    number = await _ticket(desk)
    conversation_id = (await desk.tickets())[0].conversation_id
    second = await staff.open(conversation_id, MIRA)
    await staff.take(number, KIM)
    await staff.take(second, MIRA)
    await staff.resolve(number, KIM)
    conversation = await desk.conversation(conversation_id)
    assert (conversation.mode, conversation.owner, conversation.ticket) == (Mode.HUMAN, "mira", second)
    await desk.receive(a_message("Der Drucker ist wieder kaputt"))
    await desk.handle_all()
    await desk.deliver_all()
    assert not any("wieder geöffnet" in text for text in desk.adapter.texts)
    await staff.hand_back(second, MIRA)
    assert await _mode(desk, second) is Mode.BOT


async def test_a_button_pressed_while_a_person_has_the_word_counts_and_the_bot_says_nothing(
    desk: Desk, staff: StaffDesk
) -> None:
    number = await _ticket(desk)
    second = await staff.open((await desk.tickets())[0].conversation_id, MIRA)
    await staff.resolve(number, KIM)
    await staff.take(second, MIRA)
    await desk.deliver_all()
    before = len(desk.adapter.texts)
    await desk.receive(a_message("", action=f"solved:{number}"))
    await desk.receive(a_message("", action=f"rate:{number}:4"))
    await desk.handle_all()
    await desk.deliver_all()
    assert len(desk.adapter.texts) == before
    first = (await desk.tickets())[0]
    assert (first.state, first.rating) == (TicketState.CLOSED, 4)


async def test_nobody_rates_or_reopens_the_ticket_of_another_chat(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    await staff.resolve(number, KIM)
    for action in (f"unsolved:{number}", f"solved:{number}", f"rate:{number}:1", "rate:x:1", "solved:", "rate:1:9"):
        await desk.receive(a_message("", chat="elsewhere", action=action))
    await desk.handle_all()
    (ticket,) = await desk.tickets()
    assert (ticket.state, ticket.rating) == (TicketState.RESOLVED, None)


async def test_a_message_of_a_thread_that_is_delivered_twice_is_said_once(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    await staff.take(number, KIM)
    first = await staff.thread_message(number, KIM, "Guten Tag", THREAD, "m1")
    again = await staff.thread_message(number, KIM, "Guten Tag", THREAD, "m1")
    assert (first.became, first.again, again.became, again.again) == ("reply", False, "reply", True)
    await desk.deliver_all()
    assert desk.adapter.texts.count("Guten Tag") == 1


async def test_where_nobody_owns_the_ticket_it_is_asked_and_nothing_leaves_before_the_answer(
    desk: Desk, staff: StaffDesk
) -> None:
    number = await _ticket(desk)
    assert (await staff.thread_message(number, KIM, "Ich komme", THREAD, "m1")).became == "asked"
    desk.clock.advance(timedelta(hours=1))
    await desk.deliver_all()
    assert desk.adapter.texts == []
    with pytest.raises(TicketError, match="Only Kim Berger"):
        await staff.thread_answer(THREAD, "m1", MIRA, "reply")
    assert (await staff.thread_answer(THREAD, "m1", KIM, "reply")).again is False
    assert (await staff.thread_answer(THREAD, "m1", KIM, "note")).again is True
    await desk.deliver_all()
    assert desk.adapter.texts == ["Ich komme"]
    assert await _mode(desk, number) is Mode.HUMAN


async def test_a_question_that_was_overtaken_by_a_take_over_sends_nothing_and_can_still_become_a_note(
    desk: Desk, staff: StaffDesk
) -> None:
    number = await _ticket(desk)
    await staff.thread_message(number, KIM, "Ich komme", THREAD, "m1")
    await staff.take(number, MIRA)
    with pytest.raises(TicketError, match="is with Mira Hahn"):
        await staff.thread_answer(THREAD, "m1", KIM, "reply")
    assert (await staff.thread_answer(THREAD, "m1", KIM, "note")).became == "note"
    await desk.deliver_all()
    assert not any("Ich komme" in text for text in desk.adapter.texts)


async def test_of_two_answers_at_the_same_time_one_counts(
    desk: Desk, staff: StaffDesk, database: TestDatabase, catalogue: Catalogue
) -> None:
    other = StaffDesk(database.store(), desk.engine, by_name(desk.adapter), lambda: catalogue, desk.clock, "de")
    for n in range(6):
        number = await _ticket(desk, chat=f"q{n}")
        await staff.thread_message(number, KIM, "Ich komme", THREAD, f"m{n}")
        results = await asyncio.gather(
            staff.thread_answer(THREAD, f"m{n}", KIM, "reply"), other.thread_answer(THREAD, f"m{n}", KIM, "note")
        )
        assert sorted(result.again for result in results) == [False, True]
        kinds = [event.kind for event in await desk.events((await desk.tickets())[-1].conversation_id)]
        assert kinds.count("staff_replied") + kinds.count("staff_noted") == 1


async def test_whoever_of_staff_writes_in_the_customers_own_chat_has_taken_over_without_a_word_of_the_bot(
    desk: Desk, staff: StaffDesk
) -> None:
    conversation_id = await desk.conversation_of(a_message("Guten Tag"))
    await desk.handle_all()
    number = await staff.spoke(conversation_id, KIM, "Hallo, ich bin es selbst", ChatRef("fake", "c1"), "s1")
    assert await staff.spoke(conversation_id, KIM, "Hallo, ich bin es selbst", ChatRef("fake", "c1"), "s1") == number
    await desk.deliver_all()
    assert desk.adapter.texts == []
    conversation = await desk.conversation(conversation_id)
    assert (conversation.mode, conversation.owner) == (Mode.HUMAN, "kim")
    assert [e.kind for e in await desk.events(conversation_id)].count("staff_replied") == 1


async def test_what_somebody_leaves_behind_is_free_for_others_at_once(desk: Desk, staff: StaffDesk) -> None:
    one, two = await _ticket(desk), await _ticket(desk, chat="c2")
    await staff.take(one, KIM)
    await staff.take(two, KIM)
    assert await staff.away(KIM) == ("HD-000001", "HD-000002")
    assert [(member.person.name, member.here(desk.clock())) for member in await staff.colleagues()] == [
        ("Kim Berger", False)
    ]
    await staff.take(one, MIRA)
    await staff.here(KIM)
    with pytest.raises(TicketError, match="is with Mira Hahn"):
        await staff.take(one, KIM)
    await staff.take(two, KIM)


async def test_two_who_go_at_the_same_time_do_not_wait_for_each_other(
    desk: Desk, staff: StaffDesk, database: TestDatabase, catalogue: Catalogue
) -> None:
    other = StaffDesk(database.store(), desk.engine, by_name(desk.adapter), lambda: catalogue, desk.clock, "de")
    numbers = [await _ticket(desk, chat=f"a{n}") for n in range(6)]
    for n, number in enumerate(numbers):
        await staff.take(number, (KIM, MIRA)[n % 2])
    gone = await asyncio.gather(staff.away(KIM), other.away(MIRA))
    assert sorted(len(keys) for keys in gone) == [3, 3]
    assert {ticket.state for ticket in await desk.tickets()} == {TicketState.OPEN}
