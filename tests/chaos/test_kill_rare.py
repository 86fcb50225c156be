"""kill -9 around the commits that are rare: a message given up, a question that nobody answered, a proof of who somebody is."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.agreement.customers import Level
from bot.bootstrap import now
from bot.model import InboundMessage
from bot.storage import tables
from tests.chaos import harness
from tests.chaos.harness import Life, Moment
from tests.chaos.processes import live
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, FakeClassifier, FakeClock, a_message
from tests.integration.desk import Desk, a_desk
from tests.integration.test_customers import MUSTER

_KEY = re.compile(r"HD-\d{6}")


@asynccontextmanager
async def _earlier(
    database: TestDatabase, ago: timedelta, classifier: FakeClassifier, mail: FakeAdapter | None = None
) -> AsyncIterator[Desk]:
    """The desk as it was some time ago, so that what it put off is due by now."""
    adapter, clock = FakeAdapter("file"), FakeClock(now() - ago)
    others = [mail] if mail is not None else []
    async with a_desk(
        database.store(), harness.CATALOGUE, adapter=adapter, classifier=classifier, clock=clock, others=others
    ) as desk:
        yield desk


@dataclass(frozen=True)
class State:
    inbox: Counter[str]
    outbox: Counter[str]
    tickets: int
    ambiguous: int


async def _state(database: TestDatabase) -> State:
    async with database.store().snapshot() as session:
        return State(
            Counter((await session.connection.execute(select(tables.inbox.c.state))).scalars()),
            Counter((await session.connection.execute(select(tables.outbox.c.state))).scalars()),
            len(await session.tickets.all()),
            await session.outbox.uncertain_sends(),
        )


async def _keys(database: TestDatabase) -> set[str]:
    async with database.store().snapshot() as session:
        return {ticket.key for ticket in await session.tickets.all()}


@pytest.mark.parametrize("dies", ["classifying", "committing", "buried", "sending", "transmitted", "sent"])
async def test_a_message_that_is_given_up_has_one_ticket_whenever_the_process_dies(
    database: TestDatabase, tmp_path: Path, dies: Moment
) -> None:
    classifier = FakeClassifier()
    classifier.poison.add("kaputt")
    async with _earlier(database, timedelta(hours=1), classifier) as desk:
        lane = await desk.conversation_of(harness.some_messages(1)[0])
        for _ in range(5):
            desk.clock.advance(await desk.work(lane) or timedelta())
        assert [(row.state, row.attempts) for row in await desk.inbox()] == [("new", 4)]
    life = Life(tmp_path, database.url, (), dies, poison="kaputt")
    assert await live(life) == -signal.SIGKILL
    if dies in ("classifying", "committing"):
        assert await _state(database) == State(Counter(new=1), Counter(), 0, 0)
    assert await live(replace(life, dies="never")) == 0
    doubtful = dies in ("sending", "transmitted")
    assert await _state(database) == State(Counter(dead=1), Counter(sent=1), 1, int(doubtful))
    told = harness.lines(life.delivered)
    assert len(told) == (2 if dies == "transmitted" else 1)
    assert set(_KEY.findall("".join(told))) == await _keys(database)


@pytest.mark.parametrize("dies", ["committing", "sending", "transmitted", "sent"])
async def test_a_question_that_nobody_answers_becomes_one_ticket_whenever_the_process_dies(
    database: TestDatabase, tmp_path: Path, dies: Moment
) -> None:
    async with database.store().transaction() as session:
        await session.customers.save(MUSTER, now())
    async with _earlier(database, timedelta(hours=2), FakeClassifier()) as desk:
        await desk.receive(harness.some_messages(1)[0])
        await desk.handle_all()
        await desk.deliver_all()
        assert len(desk.adapter.sent) == 1, "it asks who writes"
        assert await desk.tickets() == []
    life = Life(tmp_path, database.url, (), dies)
    assert await live(life) == -signal.SIGKILL
    if dies == "committing":
        assert (await _state(database)).tickets == 0
    assert await live(replace(life, dies="never")) == 0
    doubtful = dies in ("sending", "transmitted")
    assert await _state(database) == State(Counter(handled=1), Counter(sent=2), 1, int(doubtful))
    told = harness.lines(life.delivered)
    assert len(told) == (2 if dies == "transmitted" else 1)
    assert set(_KEY.findall("".join(told))) == await _keys(database)


@pytest.mark.parametrize("proof", ["invitation", "code"])
@pytest.mark.parametrize("dies", ["classifying", "committing", "handled"])
async def test_a_proof_that_is_used_up_holds_although_the_process_dies_before_its_turn_ends(
    database: TestDatabase, tmp_path: Path, dies: Moment, proof: str
) -> None:
    """The customer reads the same as if nothing had happened, and is known ever after."""
    message = await _proof(database, proof)
    life = Life(tmp_path, database.url, (message,), dies)
    assert await live(life) == -signal.SIGKILL
    assert await live(replace(life, dies="never")) == 0
    async with database.store().snapshot() as session:
        standings = await session.customers.standings(message.chat, message.sender.id)
    assert [standing.level for standing in standings] == [Level.PROVEN]
    (told,) = harness.lines(life.delivered)
    assert "Muster Maschinenbau" in told or "HD-000001" in told, told


async def _proof(database: TestDatabase, kind: str) -> InboundMessage:
    """The message that brings it."""
    async with database.store().transaction() as session:
        await session.customers.save(MUSTER, now())
        token = await session.customers.invite(MUSTER.id, now())
    if kind == "invitation":
        return replace(a_message(f"/start {token}", adapter="file", message_id="m9"), invitation=token)
    mail = FakeAdapter("mail")
    async with _earlier(database, timedelta(seconds=20), FakeClassifier(), mail) as desk:
        for sender, chat, text in (
            ("kollege", "c2", "Der Export ist kaputt, Fehler E-2041. Muster Maschinenbau 10442"),
            ("kunde", "c1", "Der Druck ist kaputt, Fehler E-17. Muster Maschinenbau 10442"),
            ("kunde", "c1", "HD-000001"),
        ):
            await desk.receive(a_message(text, adapter="file", chat=chat, sender=sender))
            await desk.handle_all()
            await desk.deliver_all()
    ((_, text),) = mail.sent
    (code,) = re.findall(r"\b\d{6}\b", text)
    return a_message(code, adapter="file", message_id="m9")
