"""kill -9 and long pauses at every boundary: what was acknowledged is answered, once, or counted as ambiguous."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.bootstrap import build, now
from bot.config import Settings
from bot.errors import DatabaseError
from bot.model import Mode
from bot.storage import tables
from tests.chaos import harness
from tests.chaos.harness import Life, Moment, Shift
from tests.chaos.processes import end, live, start
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, FakeClassifier, FakeClock
from tests.integration.desk import BURST, a_desk, until


async def _rows(database: TestDatabase) -> tuple[Counter[str], Counter[str], int, int]:
    """States of the inbox, states of the outbox, how many tickets, and how many sends nobody knows the outcome of."""
    async with database.store().snapshot() as session:
        inbox = Counter((await session.connection.execute(select(tables.inbox.c.state))).scalars())
        outbox = Counter((await session.connection.execute(select(tables.outbox.c.state))).scalars())
        return inbox, outbox, len(await session.tickets.all()), await session.outbox.uncertain_sends()


@pytest.mark.parametrize(
    ("dies", "copies", "ambiguous"),
    [
        ("accepting", 1, 0),
        ("accepted", 1, 0),
        ("classifying", 1, 0),
        ("committing", 1, 0),
        ("handled", 1, 0),
        ("sending", 1, 1),
        ("transmitted", 2, 1),
        ("sent", 1, 0),
    ],
)
async def test_after_kill_9_and_a_restart_the_reply_comes_once(
    database: TestDatabase, tmp_path: Path, dies: Moment, copies: int, ambiguous: int
) -> None:
    """A second copy is possible only where the process died between sending and noting it, and then it is counted."""
    life = Life(tmp_path, database.url, harness.some_messages(1), dies)
    assert await live(life) == -signal.SIGKILL
    inbox, _, _, _ = await _rows(database)
    if dies == "accepting":
        assert (inbox, harness.lines(life.acknowledged)) == (Counter(), [])
    else:
        assert inbox.total() == 1

    assert await live(replace(life, dies="never")) == 0
    assert await _rows(database) == (Counter(handled=1), Counter(sent=1), 1, ambiguous)
    assert len(harness.lines(life.delivered)) == copies
    assert harness.lines(life.acknowledged) == ["m0"]


@pytest.mark.parametrize("dies", ["accepted", "fetching", "kept", "stored"])
async def test_after_kill_9_and_a_restart_the_file_is_there_once_and_whole(
    database: TestDatabase, tmp_path: Path, dies: Moment
) -> None:
    life = Life(tmp_path, database.url, (harness.a_message_with_a_file(),), dies)
    assert await live(life) == -signal.SIGKILL
    assert await live(replace(life, dies="never")) == 0
    async with database.store().snapshot() as session:
        [row] = (await session.connection.execute(select(tables.attachment))).all()
        events = (
            await session.connection.execute(select(tables.event).where(tables.event.c.kind == "file_stored"))
        ).all()
    assert (row.state, len(events)) == ("stored", 1)
    folder = tmp_path / "files" / row.conversation_id
    assert [(file.name, file.read_bytes()) for file in folder.iterdir()] == [(row.hash, harness.LOG)]


@pytest.mark.parametrize("dies", ["classifying", "committing", "sending"])
async def test_a_process_that_dies_again_and_again_has_still_only_one_effect(
    database: TestDatabase, tmp_path: Path, dies: Moment
) -> None:
    life = Life(tmp_path, database.url, harness.some_messages(1), dies)
    for _ in range(3):
        await live(life)
    await live(replace(life, dies="never"))
    inbox, outbox, tickets, ambiguous = await _rows(database)
    assert (inbox, tickets) == (Counter(handled=1), 1)
    assert len(harness.lines(life.delivered)) <= 1
    # Two sends of which nobody knows whether they arrived are the end of it: it is then for people to look.
    assert outbox == (Counter(uncertain=1) if dies == "sending" else Counter(sent=1))
    assert bool(ambiguous) == (dies == "sending")


@pytest.mark.parametrize(
    ("pauses", "copies", "ambiguous"),
    [("classifying", 1, 0), ("handled", 1, 0), ("sending", 2, 1), ("transmitted", 2, 1)],
)
async def test_a_process_that_stood_still_while_another_did_its_work_has_no_second_effect(
    database: TestDatabase, tmp_path: Path, pauses: Moment, copies: int, ambiguous: int
) -> None:
    """SIGSTOP: a virtual machine that is moved, a laptop that sleeps. It comes back in the belief that nothing has happened.

    Only what was being sent may arrive twice, and is counted.
    """
    life = Life(tmp_path, database.url, harness.some_messages(1), pauses=pauses, within=60)
    process = start(harness.live, life)
    await until(life.paused.exists, within=30)
    adapter = FakeAdapter("file")
    async with a_desk(database.store(), harness.CATALOGUE, adapter=adapter, clock=FakeClock(now())) as other:
        other.clock.advance(BURST)
        await other.handle_all()
        await other.deliver_all()
    if pauses in ("classifying", "handled"):
        assert len(adapter.sent) == 1, "the other has done all of it"
    os.kill(process.pid, signal.SIGCONT)
    assert await end(process) == 0
    assert await _rows(database) == (Counter(handled=1), Counter(sent=1), 1, ambiguous)
    assert len(harness.lines(life.delivered)) + len(adapter.sent) == copies
    await _in_order(database)


async def test_a_process_that_stood_still_while_a_person_took_over_does_not_talk_over_them(
    database: TestDatabase, tmp_path: Path
) -> None:
    """Here nothing but the version of the conversation stands between the old decision and the customer."""
    life = Life(tmp_path, database.url, harness.some_messages(1), pauses="classifying", within=60)
    process = start(harness.live, life)
    await until(life.paused.exists, within=30)
    async with a_desk(database.store(), harness.CATALOGUE) as other:
        (row,) = await other.inbox()
        conversation_id = row.conversation_id
        await other.set_mode(conversation_id, Mode.HUMAN)
        os.kill(process.pid, signal.SIGCONT)
        assert await end(process) == 0
        conversation = await other.conversation(conversation_id)
        assert (conversation.mode, conversation.owner) == (Mode.HUMAN, "mira")
    assert (await _rows(database))[0] == Counter(handled=1)
    assert harness.lines(life.delivered) == []


@pytest.mark.parametrize("act", ["take", "reply", "note", "resolve"])
@pytest.mark.parametrize("dies", ["committing", "committed", "sending", "transmitted", "sent"])
async def test_what_staff_do_happens_once_whenever_the_process_dies(
    database: TestDatabase, tmp_path: Path, act: str, dies: Moment
) -> None:
    """The surface delivers again what it got no answer to; only what is already out may then be sent a second time."""
    life = Life(tmp_path, database.url, harness.some_messages(1))
    assert await live(life) == 0
    acts = ("take", "reply", "note", "resolve")
    before = acts[: acts.index(act)]
    if before:
        assert await end(start(harness.work, Shift(life, before))) == 0
    said = len(harness.lines(life.delivered))
    code = await end(start(harness.work, Shift(replace(life, dies=dies), (*before, act))))
    silent = act == "note" and dies != "committed"  # a note is neither rendered nor sent
    assert code == (0 if silent else -signal.SIGKILL)
    if dies == "committing" and not silent:
        assert act not in harness.lines(tmp_path / "done")
        assert len(harness.lines(life.delivered)) == said
    assert await end(start(harness.work, Shift(life, acts))) == 0
    async with database.store().snapshot() as session:
        events = Counter(event.kind for event in await session.events.of_ticket(1))
        letters = await session.outbox.in_state("sent", "uncertain", "pending", "sending", "dropped")
    assert [events[kind] for kind in ("ticket_taken", "staff_replied", "staff_noted", "ticket_resolved")] == [
        1,
        1,
        1,
        1,
    ]
    texts = [letter.text for letter in letters]
    assert (
        len(texts) == len(set(texts)) == 4
    )  # the bot's reply, who has taken it, the answer, the question whether it is solved
    assert {letter.state for letter in letters} == {"sent"}
    assert not any("nur intern" in line for line in harness.lines(life.delivered))
    twice = 1 if dies == "transmitted" and act != "note" else 0
    assert len(harness.lines(life.delivered)) == 4 + twice


async def test_under_random_kills_nothing_is_lost_and_nothing_is_done_twice(
    database: TestDatabase, tmp_path: Path
) -> None:
    chance = random.Random(20260302)
    messages = harness.some_messages(60)
    life, killed = Life(tmp_path, database.url, messages), 0
    for _ in range(10):
        code = await live(replace(life, dies_after=harness.a_short_life(chance)))
        killed += code == -signal.SIGKILL
    assert await live(life) == 0
    assert killed >= 3, "lives were too long for this to prove anything"
    inbox, outbox, tickets, ambiguous = await _rows(database)
    assert inbox == Counter(handled=60)
    assert tickets == 5, "one for each conversation; what came later joined it"
    assert set(outbox) <= {"sent", "uncertain"}
    assert sorted(harness.lines(life.acknowledged)) == sorted(message.message_id for message in messages)
    delivered = harness.lines(life.delivered)
    assert outbox["sent"] <= len(delivered) <= outbox.total() + ambiguous
    await _in_order(database)


async def _in_order(database: TestDatabase) -> None:
    """The turns of each conversation have taken its messages in the order of acceptance, each once."""
    async with database.store().snapshot() as session:
        events = (
            await session.connection.execute(select(tables.event).where(tables.event.c.kind == "turn").order_by("id"))
        ).all()
    for conversation in {event.conversation_id for event in events}:
        taken = [message for e in events if e.conversation_id == conversation for message in e.data["messages"]]
        assert taken == sorted(set(taken))


async def test_a_second_process_on_the_same_embedded_database_is_turned_away_with_a_sentence(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    holder = start(harness.hold, tmp_path, ready)
    try:
        async with asyncio.timeout(20):
            while not ready.exists():
                await asyncio.sleep(0.01)
        with pytest.raises(DatabaseError, match=rf"Another Firstline \(process {holder.pid}\).*FIRSTLINE_DATA"):
            async with build(
                Settings(data=tmp_path), adapters=[], classifier=FakeClassifier(), catalogue=harness.CATALOGUE
            ):
                pass
    finally:
        holder.kill()
    assert await end(holder) == -signal.SIGKILL
    async with build(
        Settings(data=tmp_path), adapters=[], classifier=FakeClassifier(), catalogue=harness.CATALOGUE
    ) as app:
        await app.store.ping()
