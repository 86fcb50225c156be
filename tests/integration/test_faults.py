"""What must hold when the world around goes wrong: the database locked, clocks wrong, messages late or out of order.

The matrix of all faults is in docs/reliability.md; crashes are in tests/chaos.
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.errors import DatabaseError
from bot.model import Author, ChatRef, Part
from bot.storage.outbox import Draft
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, FakeClassifier, FakeClock, a_message
from tests.integration.desk import BURST, Desk, a_desk, until

WRONG = timedelta(minutes=5)


async def test_while_another_process_has_locked_the_database_nothing_is_acknowledged_and_afterwards_all_is_answered(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    """A backup tool or a shell that holds SQLite's write lock. Whoever only looks does not notice."""
    path = tmp_path / "firstline.db"
    settings = Settings(data=tmp_path, database_url=f"sqlite:///{path}?timeout=0.1", burst_seconds=0)
    adapter = FakeAdapter()
    async with (
        build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app,
        app.working(),
    ):
        await app.receiver(a_message("vorher"))
        await until(lambda: len(adapter.sent) == 1)
        await app.engine.settled()

        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        messages = [a_message(f"während {n}", chat=f"c{n}") for n in range(3)]
        for message in messages:
            with pytest.raises(DatabaseError, match="locked"):
                await app.receiver(message)
        async with app.store.snapshot() as session:
            assert (await session.inbox.count("new"), await session.inbox.count("handled")) == (0, 1)
        other.execute("ROLLBACK")
        other.close()

        for message in messages:  # the platform delivers again what was not acknowledged
            await app.receiver(message)
        await until(lambda: len(adapter.sent) == 4)


async def test_work_that_finds_the_database_locked_is_taken_up_again(tmp_path: Path, catalogue: Catalogue) -> None:
    path = tmp_path / "firstline.db"
    settings = Settings(data=tmp_path, database_url=f"sqlite:///{path}?timeout=0.1", burst_seconds=0)
    adapter, classifier = FakeAdapter(), FakeClassifier()
    async with (
        build(settings, adapters=[adapter], classifier=classifier, catalogue=catalogue) as app,
        app.working(),
    ):
        classifier.seconds = 0.2
        await app.receiver(a_message("Der Drucker ist kaputt"))
        await until(classifier.entered.is_set)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(0.6)
        assert adapter.tried == []
        other.execute("ROLLBACK")
        other.close()
        await until(lambda: len(adapter.sent) == 1)
        await app.engine.settled()
        async with app.store.snapshot() as session:
            assert len(await session.tickets.all()) == 1


# --- clocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [WRONG, -WRONG], ids=["ahead", "behind"])
async def test_a_clock_that_is_set_by_five_minutes_delays_no_reply_and_changes_no_order(
    desk: Desk, wrong: timedelta
) -> None:
    await desk.receive(a_message("eins kaputt"))
    desk.clock.advance(wrong)
    await desk.receive(a_message("zwei kaputt"))
    conversation_id = (await desk.inbox())[0].conversation_id
    waited = timedelta()
    while (delay := await desk.work(conversation_id)) is not None:
        waited += delay
        desk.clock.advance(delay)
    assert waited <= 2 * BURST
    assert "\n".join(batch[0] for batch in desk.classifier.batches) == "eins kaputt\nzwei kaputt"

    desk.clock.advance(wrong)
    assert not await desk.deliver("fake:c1"), "a reply leaves at once"
    assert len(desk.adapter.sent) == 1


@pytest.mark.parametrize("wrong", [WRONG, -WRONG], ids=["ahead", "behind"])
async def test_two_processes_whose_clocks_differ_by_five_minutes_answer_at_once_and_in_order(
    desk: Desk, database: TestDatabase, catalogue: Catalogue, wrong: timedelta
) -> None:
    """One accepts, the other handles and sends: as on PostgreSQL with several machines."""
    clock = FakeClock(desk.clock() + wrong)
    async with a_desk(database.store(), catalogue, adapter=desk.adapter, clock=clock) as other:
        for n in range(3):
            text = f"{n} kaputt"
            conversation_id = await desk.conversation_of(a_message(text))
            delay = await other.work(conversation_id)
            if delay:
                assert delay <= BURST
                clock.advance(delay)
                await other.work(conversation_id)
            assert not await other.deliver("fake:c1")
        assert [batch[0] for batch in other.classifier.batches] == ["0 kaputt", "1 kaputt", "2 kaputt"]
    assert len(desk.adapter.sent) == 3
    assert [row.state for row in await desk.inbox()] == ["handled"] * 3


async def test_what_is_not_due_yet_waits_whatever_its_place_in_the_lane(desk: Desk) -> None:
    """The rule about wrong clocks must not let anything out that is to leave later."""
    place = ChatRef("fake", "c1")
    async with desk.store.transaction() as session:
        conversation_id, _ = await session.conversations.next_seq(place, desk.clock())
        await session.outbox.add(
            (Draft("k", conversation_id, Author.BOT, Part(place, {"text": "x"}), "x", "c"),), desk.clock()
        )
        found = await session.outbox.next("fake:c1", desk.clock() + timedelta(days=1))
        assert found is not None
        await session.outbox.mark_sending(found.letter, uncertain=0)
        sending = replace(found.letter, attempts=1)
        await session.outbox.settle(sending, state="pending", due_at=desk.clock() + WRONG)
    assert await desk.deliver("fake:c1") == WRONG
    assert desk.adapter.tried == []


# --- order --------------------------------------------------------------------------------------------


async def test_messages_that_arrive_out_of_order_are_handled_in_the_order_of_acceptance(desk: Desk) -> None:
    """What the platform says about when something was sent orders nothing: only the place in the conversation does."""
    for n in range(4):
        early = a_message(f"{n} kaputt", sender=f"s{n % 2}")
        await desk.receive(replace(early, sent_at=early.sent_at - timedelta(hours=n)))
    await desk.handle_all()
    assert [batch[0] for batch in desk.classifier.batches] == [f"{n} kaputt" for n in range(4)]


async def test_a_message_that_comes_again_after_it_was_answered_has_no_second_effect(desk: Desk) -> None:
    first, second = a_message("Der Drucker ist kaputt"), a_message("und der Scanner auch kaputt")
    for message in (first, second, first):
        await desk.receive(message)
    await desk.handle_all()
    await desk.deliver_all()
    before = (await desk.tickets(), await desk.letters(), await desk.inbox())
    for message in (second, first):
        await desk.receive(replace(message, delivery_id="late", sent_at=message.sent_at + timedelta(days=1)))
    await desk.handle_all()
    await desk.deliver_all()
    assert (await desk.tickets(), await desk.letters(), await desk.inbox()) == before


async def test_what_the_platform_held_back_for_long_is_marked_as_late(desk: Desk) -> None:
    """It is answered all the same; whoever reads the record sees that the customer had waited before we knew of it."""
    now = desk.clock()
    conversation_id = await desk.conversation_of(replace(a_message("eins"), sent_at=now - timedelta(hours=3)))
    await desk.receive(replace(a_message("zwei"), sent_at=now - WRONG))
    await desk.receive(replace(a_message("drei"), sent_at=now + WRONG))
    await desk.handle_all()
    (turn,) = [event for event in await desk.events(conversation_id) if event.kind == "turn"]
    rows = await desk.inbox()
    assert turn.data["messages"] == [row.id for row in rows]
    assert turn.data["late"] == {str(rows[0].id): 3 * 3600}
    assert len(await desk.letters()) == 1
