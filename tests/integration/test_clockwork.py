"""What time brings about: each timer in its own time, whatever else is set before or after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.model import Mode
from bot.replay.stage import Stage, stage
from bot.storage.timers import Timer
from tests.fakes import FakeClassifier


@asynccontextmanager
async def _played(tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[Stage]:
    settings = Settings(data=tmp_path, encoder="none")
    async with stage(settings, catalogue=catalogue, classifier=FakeClassifier()) as play:
        yield play


async def test_a_timer_that_is_set_later_but_due_sooner_is_not_overslept(tmp_path: Path, catalogue: Catalogue) -> None:
    async with _played(tmp_path, catalogue) as play:
        await play.customer("Guten Tag")
        conversation = await play.conversation()
        assert conversation is not None
        now = play.clock.time
        async with play.app.store.transaction() as session:
            await session.timers.set(Timer("now", "nothing", conversation.id, now))
            await session.timers.set(Timer("late", "nothing", conversation.id, now + timedelta(hours=8)))
        await play.app.engine.sweep()
        await play.app.engine.settled()

        async with play.app.store.transaction() as session:
            await session.timers.set(Timer("soon", "nothing", conversation.id, now + timedelta(minutes=30)))
        play.clock.time = now + timedelta(minutes=31)
        await play.app.engine.sweep()
        await play.app.engine.settled()

        async with play.app.store.snapshot() as session:
            assert await session.timers.next(conversation.id) == now + timedelta(hours=8)


async def test_time_alone_changes_nothing_where_nothing_is_due(tmp_path: Path, catalogue: Catalogue) -> None:
    async with _played(tmp_path, catalogue) as play:
        await play.customer("Guten Tag")
        happened = await play.pass_time(timedelta(days=30))
        assert happened.replies == ()
        assert happened.conversation is not None
        assert happened.conversation.mode is Mode.BOT
