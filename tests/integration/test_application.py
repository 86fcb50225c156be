"""The joined application: the whole way, stopping, and only one process at a time on an embedded database."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import running
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.model import Limits
from bot.running import App
from tests.conftest import TestDatabase
from tests.fakes import START, FakeAdapter, FakeClassifier, a_message
from tests.integration.desk import until


@asynccontextmanager
async def _running(
    database: TestDatabase, folder: Path, adapter: FakeAdapter, classifier: FakeClassifier, catalogue: Catalogue
) -> AsyncIterator[App]:
    settings = Settings(data=folder, database_url=database.url, burst_seconds=0)
    async with build(settings, adapters=[adapter], classifier=classifier, catalogue=catalogue) as app:
        task = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            yield app
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    assert adapter.closed


async def test_the_whole_way_from_the_platform_to_the_reply(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    adapter = FakeAdapter()
    async with _running(database, tmp_path, adapter, FakeClassifier(), catalogue) as app:
        message = a_message("Der Drucker ist kaputt")
        for _ in range(3):
            adapter.incoming.put_nowait(message)
        adapter.incoming.put_nowait(a_message("Guten Tag", chat="c2"))
        await until(lambda: len(adapter.sent) == 2 and len(adapter.acknowledged) == 4)
        await app.engine.settled()
    assert sorted(chat for chat, _ in adapter.sent) == ["c1", "c2"]
    assert any("HD-000001" in text for text in adapter.texts)


async def test_a_message_whose_wake_up_was_lost_is_answered_all_the_same(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    """Here the message is stored by another process, which can wake nobody in this one."""
    adapter = FakeAdapter()
    async with _running(database, tmp_path, adapter, FakeClassifier(), catalogue) as app:
        await app.engine.settled()
        async with database.store().transaction() as session:
            await session.inbox.accept(a_message("Guten Tag"), START)
        await app.engine.sweep()  # which it does by itself every few seconds
        await until(lambda: len(adapter.sent) == 1)


async def test_forty_conversations_at_once_are_all_answered_once(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    adapter = FakeAdapter()
    async with _running(database, tmp_path, adapter, FakeClassifier(), catalogue):
        for n in range(40):
            message = a_message("Guten Tag", chat=f"c{n}")
            adapter.incoming.put_nowait(message)
            if n % 5 == 0:
                adapter.incoming.put_nowait(message)
        await until(lambda: len(adapter.sent) >= 40, within=30)
    assert sorted(chat for chat, _ in adapter.sent) == sorted(f"c{n}" for n in range(40))


async def test_two_replies_in_one_chat_keep_the_pace_of_the_platform(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    adapter = FakeAdapter(limits=Limits(text=4000, buttons=10, pace=0.4))
    async with _running(database, tmp_path, adapter, FakeClassifier(), catalogue) as app:
        await app.receiver(a_message("Guten Tag"))
        await until(lambda: len(adapter.sent) == 1)
        await app.receiver(a_message("Guten Tag"))
        await until(lambda: len(adapter.sent) == 2)
    assert adapter.times[1] - adapter.times[0] >= 0.4


async def test_stopping_lets_a_send_finish_so_that_nobody_has_to_wonder_whether_it_arrived(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    adapter = FakeAdapter()

    async def slowly() -> None:
        await asyncio.sleep(0.3)

    adapter.behaviour.append(slowly)
    async with _running(database, tmp_path, adapter, FakeClassifier(), catalogue) as app:
        await app.receiver(a_message("Guten Tag"))
        await until(lambda: len(adapter.tried) == 1)
    assert len(adapter.sent) == 1
    async with database.store().snapshot() as session:
        (letter,) = await session.outbox.in_state("sent")
    assert letter.uncertain == 0


async def test_stopping_while_a_message_is_being_understood_is_quick_and_loses_nothing(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    adapter, classifier = FakeAdapter(), FakeClassifier()
    classifier.seconds = 0.3
    async with _running(database, tmp_path, adapter, classifier, catalogue) as app:
        await app.receiver(a_message("Guten Tag"))
        await until(classifier.entered.is_set)
        stopping = time.monotonic()
    took = time.monotonic() - stopping
    second = FakeAdapter()
    async with _running(database, tmp_path, second, FakeClassifier(), catalogue):
        await until(lambda: len(adapter.sent) + len(second.sent) == 1)
    assert took < 3


async def test_an_adapter_that_does_not_hear_that_it_is_to_stop_is_told_again(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GRACE", 0.1)

    class Deaf(FakeAdapter):
        async def run(self, receive: object) -> None:
            self.runs = True
            for _ in range(3):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            self.runs = False

    adapter = Deaf()
    async with _running(database, tmp_path, adapter, FakeClassifier(), catalogue):
        await until(lambda: hasattr(adapter, "runs"))
    assert not adapter.runs


@pytest.mark.parametrize("fault", [RuntimeError("the socket is gone"), ConnectionResetError()], ids=repr)
async def test_a_platform_that_breaks_does_not_stop_the_others(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, fault: Exception
) -> None:
    class Broken(FakeAdapter):
        async def run(self, receive: object) -> None:
            raise fault

    adapter, broken = FakeAdapter(), Broken("broken")
    settings = Settings(data=tmp_path, database_url=database.url, burst_seconds=0)
    async with build(settings, adapters=[broken, adapter], classifier=FakeClassifier(), catalogue=catalogue) as app:
        task = asyncio.create_task(app.run(tmp_path / "heartbeat"))
        adapter.incoming.put_nowait(a_message("Guten Tag"))
        await until(lambda: len(adapter.sent) == 1)
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
