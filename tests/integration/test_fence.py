"""Two workers at the same turn: exactly one effect, and whoever was away too long is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.model import Mode
from tests.conftest import TestDatabase
from tests.fakes import a_message
from tests.integration.desk import BURST, Desk, a_desk, until


@pytest.fixture
async def other(database: TestDatabase, catalogue: Catalogue) -> AsyncIterator[Desk]:
    """A second process at work on the same database."""
    async with a_desk(database.store(), catalogue) as other:
        other.clock.advance(BURST)
        yield other


async def _pause_in_the_middle(desk: Desk, conversation_id: str) -> asyncio.Task[object]:
    """Let the worker read the turn and then stand still, as a stopped process or a stalled machine does."""
    desk.classifier.gate = threading.Event()
    paused = asyncio.create_task(_work(desk, conversation_id))
    await until(desk.classifier.entered.is_set)
    return paused


async def _work(desk: Desk, conversation_id: str) -> object:
    return await desk.work(conversation_id)


async def _wake_up(desk: Desk, paused: asyncio.Task[object]) -> None:
    assert desk.classifier.gate is not None
    desk.classifier.gate.set()
    await paused


async def test_a_worker_that_comes_back_after_another_has_answered_changes_nothing(desk: Desk, other: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("Der Drucker ist kaputt"))
    desk.clock.advance(BURST)
    paused = await _pause_in_the_middle(desk, conversation_id)
    await other.work(conversation_id)
    before = (await desk.tickets(), await desk.letters(), await desk.events(conversation_id), await desk.inbox())
    assert [len(found) for found in before] == [1, 1, 3, 1]

    await _wake_up(desk, paused)
    after = (await desk.tickets(), await desk.letters(), await desk.events(conversation_id), await desk.inbox())
    assert after == before
    assert (await desk.inbox())[0].attempts == 0


async def test_a_small_talk_turn_is_fenced_as_well(desk: Desk, other: Desk) -> None:
    """Without a ticket there is no unique key that would stop the second worker: only the version does."""
    conversation_id = await desk.conversation_of(a_message("Guten Tag"))
    desk.clock.advance(BURST)
    paused = await _pause_in_the_middle(desk, conversation_id)
    await other.work(conversation_id)
    await _wake_up(desk, paused)
    assert len(await desk.letters()) == 1
    assert [event.kind for event in await desk.events(conversation_id)] == ["turn"]


async def test_ten_workers_at_one_turn_have_one_effect(
    desk: Desk, database: TestDatabase, catalogue: Catalogue
) -> None:
    conversation_id = await desk.conversation_of(a_message("Der Drucker ist kaputt"))
    desk.clock.advance(BURST)
    stores = [database.store() for _ in range(2)]
    for _ in range(3):
        async with (
            a_desk(stores[0], catalogue, adapter=desk.adapter, clock=desk.clock) as second,
            a_desk(stores[1], catalogue, adapter=desk.adapter, clock=desk.clock) as third,
        ):
            await asyncio.gather(*(d.work(conversation_id) for d in (desk, second, third) for _ in range(3)))
    [ticket], [letter] = await desk.tickets(), await desk.letters()
    assert ticket.key in letter.text, "which number it is, those decide that were refused"
    assert [(row.state, row.attempts) for row in await desk.inbox()] == [("handled", 0)]


async def test_a_person_who_takes_over_while_the_bot_thinks_is_not_interrupted(desk: Desk, other: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("Guten Tag"))
    desk.clock.advance(BURST)
    paused = await _pause_in_the_middle(desk, conversation_id)
    await other.set_mode(conversation_id, Mode.HUMAN)
    await _wake_up(desk, paused)
    await desk.handle_all()
    assert await desk.letters() == []
    conversation = await desk.conversation(conversation_id)
    assert (conversation.mode, conversation.owner) == (Mode.HUMAN, "mira")
    assert [row.state for row in await desk.inbox()] == ["handled"]


async def test_a_message_that_arrives_while_the_bot_thinks_is_answered_in_the_next_turn(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("Guten Tag"))
    desk.clock.advance(BURST)
    paused = await _pause_in_the_middle(desk, conversation_id)
    await desk.receive(a_message("Der Drucker ist kaputt"))
    await _wake_up(desk, paused)
    assert [row.state for row in await desk.inbox()] == ["handled", "new"]
    await desk.handle_all()
    assert [row.state for row in await desk.inbox()] == ["handled", "handled"]
    assert len(await desk.letters()) == 2
