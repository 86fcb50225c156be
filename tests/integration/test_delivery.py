"""Sending: in order, at the platform's pace, and honest about what nobody can know."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.delivery import CAP, GIVE_UP_AFTER, Delivery
from bot.desk.staff import Desk as StaffDesk
from bot.errors import DatabaseError, DeliveryError, ElsewhereError
from bot.model import Author, ChatRef, Limits, Mode, Part, Person, Priority
from bot.storage.store import Store
from bot.storage.tickets import NewTicket
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, by_name
from tests.integration.desk import Desk, a_desk, busy_for, until

LANE = "fake:c1"
NOW = timedelta()


async def _states(desk: Desk) -> list[tuple[str, str]]:
    return [(letter.text, letter.state) for letter in await desk.letters()]


async def _crash_while_sending(desk: Desk, *, arrived: bool) -> None:
    """The process ends during the call to the platform: what it would have noted down afterwards is never written."""
    hangs = asyncio.Event()

    async def hang() -> None:
        if arrived:
            desk.adapter.sent.append(("c1", desk.adapter.tried[-1]))
        hangs.set()
        await asyncio.Event().wait()

    desk.adapter.behaviour.appendleft(hang)
    sending = asyncio.create_task(_deliver(desk))
    await until(hangs.is_set)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def _deliver(desk: Desk) -> timedelta | None:
    return await desk.deliver(LANE)


# --- order and pace -----------------------------------------------------------------------------------


async def test_a_chat_is_sent_to_in_order_and_one_after_the_other(desk: Desk) -> None:
    await desk.post("1", "2")
    await desk.post("3", thread="t")
    await desk.post("4")
    await desk.deliver_all()
    assert desk.adapter.texts == ["1", "2", "3", "4"]
    assert {state for _, state in await _states(desk)} == {"sent"}
    assert await desk.deliver(LANE) is None


async def test_what_was_sent_knows_its_id_on_the_platform(desk: Desk) -> None:
    await desk.post("1")
    await desk.deliver_all()
    (letter,) = await desk.letters()
    assert (letter.platform_id, letter.attempts, letter.uncertain, letter.error) == ("p1", 1, 0, None)


async def test_the_next_message_waits_for_as_long_as_the_platform_wants_between_two(
    store: Store, catalogue: Catalogue
) -> None:
    async with a_desk(store, catalogue, adapter=FakeAdapter(limits=Limits(4000, 10, pace=1.5))) as desk:
        await desk.post("1", "2")
        await desk.deliver(LANE)
        await desk.post("3")
        for arrived in (["1"], ["1", "2"]):
            assert await desk.deliver(LANE) == timedelta(seconds=1.5)
            assert desk.adapter.texts == arrived
            desk.clock.advance(timedelta(seconds=1.5))
            await desk.deliver(LANE)


async def test_a_refused_message_holds_up_its_own_chat_for_as_long_as_the_platform_asks_and_no_other(
    desk: Desk,
) -> None:
    desk.adapter.behaviour.append(DeliveryError("429", retry_after=timedelta(seconds=30)))
    await desk.post("1", "2")
    await desk.post("other", chat="c2")
    assert await desk.deliver(LANE) == timedelta(seconds=30)
    assert await desk.deliver("fake:c2") is None
    desk.clock.advance(timedelta(seconds=29))
    assert await desk.deliver(LANE) == timedelta(seconds=1)
    assert desk.adapter.tried == ["1", "other"]
    desk.clock.advance(timedelta(seconds=1))
    await desk.deliver_all()
    assert desk.adapter.texts == ["other", "1", "2"]


async def test_a_person_who_takes_over_must_respect_what_the_platform_asked_for_too(desk: Desk) -> None:
    """It asked for silence in the chat, not only for the message that it refused and that is now dropped."""
    desk.adapter.behaviour.append(DeliveryError("429", retry_after=timedelta(seconds=30)))
    conversation_id = await desk.post("from the bot")
    await desk.deliver(LANE)
    await desk.set_mode(conversation_id, Mode.HUMAN)
    await desk.post("from mira", author=Author.PERSON)
    while (delay := await desk.deliver(LANE)) == NOW:
        pass
    assert desk.adapter.texts == []
    assert delay == timedelta(seconds=30)


async def test_without_a_wish_of_the_platform_the_pauses_grow_up_to_a_limit(desk: Desk) -> None:
    await desk.post("1")
    pauses = []
    for _ in range(14):
        desk.adapter.behaviour.append(DeliveryError("503"))
        delay = await desk.deliver(LANE)
        assert delay is not None
        assert timedelta(milliseconds=100) <= delay <= CAP
        pauses.append(delay)
        desk.clock.advance(delay)
    assert pauses[0] <= timedelta(seconds=1)
    assert max(pauses[8:]) > timedelta(seconds=30)
    await desk.deliver_all()
    assert desk.adapter.texts == ["1"]


async def test_a_message_that_nobody_takes_for_a_day_is_given_up_and_the_chat_goes_on(desk: Desk) -> None:
    await desk.post("1", "2")
    desk.clock.advance(GIVE_UP_AFTER + timedelta(seconds=1))
    desk.adapter.behaviour.append(DeliveryError("503"))
    await desk.deliver_all()
    assert await _states(desk) == [("1", "dead"), ("2", "sent")]


async def test_a_message_of_a_platform_that_is_not_run_here_waits(desk: Desk, database: TestDatabase) -> None:
    await desk.post("1")
    elsewhere = Delivery(database.store(), by_name(FakeAdapter("other")), desk.clock, random.Random(1))
    with pytest.raises(ElsewhereError):
        await elsewhere(LANE)
    assert await _states(desk) == [("1", "pending")]


# --- what fails ---------------------------------------------------------------------------------------


async def test_what_can_never_arrive_is_put_aside_with_its_reason_and_the_chat_goes_on(desk: Desk) -> None:
    desk.adapter.behaviour.append(DeliveryError("Forbidden: bot was blocked by the user", permanent=True))
    conversation_id = await desk.post("1", "2")
    await desk.deliver_all()
    assert await _states(desk) == [("1", "dead"), ("2", "sent")]
    (event,) = await desk.events(conversation_id)
    assert (event.kind, event.actor) == ("send_failed", "delivery")
    assert event.data["error"] == "Forbidden: bot was blocked by the user"
    (shown,) = await desk.dead.all()
    assert (shown.number, shown.state, shown.text) == ("out-1", "dead", "1")


async def test_a_send_that_may_have_arrived_is_tried_once_more_and_counted(desk: Desk) -> None:
    desk.adapter.behaviour.append(DeliveryError("time-out", uncertain=True))
    await desk.post("1")
    await desk.deliver_all()
    assert desk.adapter.tried == ["1", "1"]
    assert await _states(desk) == [("1", "sent")]
    assert await desk.uncertain_sends() == 1


async def test_a_send_that_may_have_arrived_twice_is_not_tried_a_third_time(desk: Desk) -> None:
    desk.adapter.behaviour.extend(DeliveryError("time-out", uncertain=True) for _ in range(2))
    conversation_id = await desk.post("1", "2")
    await desk.deliver_all()
    assert desk.adapter.tried == ["1", "1", "2"]
    assert await _states(desk) == [("1", "uncertain"), ("2", "sent")]
    assert await desk.uncertain_sends() == 2
    assert [event.kind for event in await desk.events(conversation_id)] == ["send_uncertain"]


async def test_an_adapter_that_raises_what_it_should_not_counts_as_uncertain(desk: Desk) -> None:
    desk.adapter.behaviour.append(KeyError("message_id"))
    await desk.post("1")
    await desk.deliver_all()
    assert desk.adapter.tried == ["1", "1"]
    assert await desk.uncertain_sends() == 1


async def test_an_adapter_that_never_raises_what_it_should_stops_after_the_second_try(desk: Desk) -> None:
    desk.adapter.behaviour.extend(RuntimeError("broken") for _ in range(5))
    await desk.post("1")
    await desk.deliver_all()
    assert desk.adapter.tried == ["1", "1"]
    assert await _states(desk) == [("1", "uncertain")]


@pytest.mark.parametrize("error", [DeliveryError("a\x00b \ud800"), DeliveryError("a\x00b \ud800", permanent=True)])
async def test_an_error_with_characters_that_cannot_be_stored_is_noted_all_the_same(
    desk: Desk, error: DeliveryError
) -> None:
    desk.adapter.behaviour.append(error)
    await desk.post("1")
    await desk.deliver(LANE)
    (letter,) = await desk.letters()
    assert letter.state == ("dead" if error.permanent else "pending")
    assert letter.error == "a␀b �"


async def test_a_long_id_of_the_platform_does_not_make_a_sent_message_look_unsent(
    store: Store, catalogue: Catalogue
) -> None:
    class LongIds(FakeAdapter):
        async def send(self, part: Part) -> str:
            return await super().send(part) + "x" * 1000

    async with a_desk(store, catalogue, adapter=LongIds()) as desk:
        await desk.post("1")
        await desk.deliver_all()
        assert desk.adapter.tried == ["1"]
        assert await _states(desk) == [("1", "sent")]


# --- crashes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrived", [True, False])
async def test_after_a_crash_in_the_middle_of_a_send_it_is_sent_again_and_counted(desk: Desk, arrived: bool) -> None:
    await desk.post("1", "2")
    await _crash_while_sending(desk, arrived=arrived)
    assert await _states(desk) == [("1", "sending"), ("2", "pending")]
    await desk.deliver_all()
    assert desk.adapter.texts == (["1", "1", "2"] if arrived else ["1", "2"])
    assert await _states(desk) == [("1", "sent"), ("2", "sent")]
    assert await desk.uncertain_sends() == 1


async def test_after_a_second_crash_it_is_left_alone_and_people_can_see_it(desk: Desk) -> None:
    conversation_id = await desk.post("1", "2")
    await _crash_while_sending(desk, arrived=True)
    await _crash_while_sending(desk, arrived=True)
    await desk.deliver_all()
    assert await _states(desk) == [("1", "uncertain"), ("2", "sent")]
    assert [event.kind for event in await desk.events(conversation_id)] == ["send_uncertain"]
    (shown,) = await desk.dead.all()
    assert (shown.state, shown.text) == ("uncertain", "1")


async def test_every_send_whose_outcome_is_unknown_is_counted_the_last_one_too(desk: Desk) -> None:
    """The count is what people rely on as the most duplicates that customers can have seen: two sends, none confirmed."""
    await desk.post("1")
    await _crash_while_sending(desk, arrived=True)
    await _crash_while_sending(desk, arrived=True)
    await desk.deliver_all()
    assert await desk.uncertain_sends() == 2


async def test_a_sender_that_comes_back_late_does_not_overwrite_what_became_of_the_message(
    desk: Desk, database: TestDatabase
) -> None:
    released, hangs = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        hangs.set()
        await released.wait()

    desk.adapter.behaviour.append(hang)
    await desk.post("1")
    late = asyncio.create_task(_deliver(desk))
    await until(hangs.is_set)
    other = Delivery(database.store(), by_name(desk.adapter), desk.clock, random.Random(1))
    await other(LANE)
    released.set()
    await late
    (letter,) = await desk.letters()
    assert (letter.state, letter.attempts, letter.uncertain, letter.platform_id) == ("sent", 2, 1, "p1")


async def test_when_the_outcome_cannot_be_stored_the_message_counts_as_uncertain_and_not_as_new(
    store: Store, catalogue: Catalogue
) -> None:
    """The platform has it, but the database went away before that could be noted."""

    class Unstorable(FakeAdapter):
        async def send(self, part: Part) -> str:
            await super().send(part)
            raise DatabaseError

    async with a_desk(store, catalogue, adapter=Unstorable()) as desk:
        await desk.post("1")
        await desk.deliver_all()
        assert desk.adapter.texts == ["1", "1"]
        assert await _states(desk) == [("1", "uncertain")]


# --- who has the word -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("author", "mode", "arrives"),
    [
        (Author.BOT, Mode.BOT, True),
        (Author.BOT, Mode.WAITING, True),
        (Author.BOT, Mode.HUMAN, False),
        (Author.NOTICE, Mode.HUMAN, True),
        (Author.PERSON, Mode.HUMAN, True),
    ],
)
async def test_only_what_the_bot_says_is_dropped_once_a_person_has_taken_over(
    desk: Desk, author: Author, mode: Mode, arrives: bool
) -> None:
    conversation_id = await desk.post("1", author=author)
    await desk.set_mode(conversation_id, mode)
    await desk.deliver_all()
    assert desk.adapter.texts == (["1"] if arrives else [])
    assert await _states(desk) == [("1", "sent" if arrives else "dropped")]


async def test_a_person_who_takes_over_between_two_parts_of_an_answer_stops_the_second(desk: Desk) -> None:
    conversation_id = await desk.post("1", "2")
    await desk.post("notice", author=Author.NOTICE)
    await desk.deliver(LANE)
    await desk.set_mode(conversation_id, Mode.HUMAN)
    await desk.deliver_all()
    assert desk.adapter.texts == ["1", "notice"]


async def test_a_retry_looks_again_at_who_has_the_word(desk: Desk) -> None:
    desk.adapter.behaviour.append(DeliveryError("503"))
    conversation_id = await desk.post("1")
    await desk.deliver(LANE)
    await desk.set_mode(conversation_id, Mode.HUMAN)
    desk.clock.advance(CAP)
    await desk.deliver_all()
    assert desk.adapter.texts == []


async def test_another_conversation_of_the_chat_is_not_silenced_with_it(desk: Desk) -> None:
    taken = await desk.post("thread", thread="t")
    await desk.post("1")
    await desk.set_mode(taken, Mode.HUMAN)
    await desk.deliver_all()
    assert desk.adapter.texts == ["1"]


async def test_a_take_over_cannot_slip_in_between_the_look_and_the_send(
    desk: Desk, database: TestDatabase, catalogue: Catalogue
) -> None:
    """Once the take-over is committed, no send of the bot begins any more; one that has begun before is not stopped."""
    async with a_desk(database.store(), catalogue, adapter=desk.adapter) as staff:
        for n in range(30):
            text = f"{n}"
            conversation_id = await desk.post(text, chat=text)
            tried_when_taken: list[bool] = []

            async def take(
                after: float = n * 0.0003,
                what: str = text,
                whose: str = conversation_id,
                seen: list[bool] = tried_when_taken,
            ) -> None:
                await busy_for(after)
                await staff.set_mode(whose, Mode.HUMAN)
                seen.append(what in desk.adapter.tried)

            await asyncio.gather(take(), desk.deliver(f"fake:{text}"))
            (state,) = [letter.state for letter in await desk.letters() if letter.text == text]
            assert state == ("sent" if text in desk.adapter.tried else "dropped")
            if state == "dropped":
                assert tried_when_taken == [False]


async def test_taking_over_a_chat_that_is_being_sent_to_never_fails(
    desk: Desk, database: TestDatabase, catalogue: Catalogue
) -> None:
    """Both lock the conversation and its letters; in different orders they would wait for each other."""
    others = database.store()
    staff = StaffDesk(others, desk.engine, by_name(desk.adapter), lambda: catalogue, desk.clock, "de")
    for n in range(25):
        chat = f"c{n}"
        async with others.transaction() as session:
            conversation_id, _ = await session.conversations.next_seq(ChatRef("fake", chat), desk.clock())
            ticket = await session.tickets.open(
                NewTicket(chat, conversation_id, "error", None, None, Priority.NORMAL, "Betreff", {}), desk.clock()
            )
        await desk.post("1", "2", chat=chat)

        async def take(number: int = ticket.number, after: float = n * 0.0004) -> None:
            await busy_for(after)
            await staff.take(number, Person("mira", "Mira"))

        await asyncio.gather(take(), desk.deliver(f"fake:{chat}"))
        await desk.deliver_all()
        assert len([letter for letter in await desk.letters("sent", "dropped") if letter.lane == f"fake:{chat}"]) == 3


async def test_a_message_that_is_delivered_while_others_arrive_keeps_its_order(desk: Desk) -> None:
    async def write() -> None:
        for n in range(10):
            await desk.post(f"{n}")

    async def send() -> None:
        while len(desk.adapter.sent) < 10:
            await desk.deliver(LANE)
            await asyncio.sleep(0.001)

    await asyncio.gather(write(), send())
    assert desk.adapter.texts == [f"{n}" for n in range(10)]
