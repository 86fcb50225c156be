"""Processes that each do a part of the work: one takes, another handles, a third sends, and none needs to have all adapters."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.bootstrap import build, now
from bot.catalogue.catalogue import Catalogue
from bot.config import ALL_ROLES, Settings
from bot.errors import SettingsError
from bot.model import ChatRef
from bot.operations.status import WAITS, Insight
from bot.running import App
from bot.storage import migrate
from bot.storage.database import Database
from tests.conftest import PostgresServer, TestDatabase, a_schema
from tests.fakes import FakeAdapter, FakeClassifier, a_message
from tests.integration.desk import until


@pytest.fixture
async def shared(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    database = a_schema(postgres)
    await migrate.upgrade(database.open())
    yield database
    await database.close()


class Watched(FakeAdapter):
    """Notes whether it is run, and where it shows that a reply is being worked on."""

    def __init__(self, name: str = "fake", *, exclusive: bool = False) -> None:
        super().__init__(name)
        self.exclusive = exclusive
        self.runs = 0
        self.shown: list[str] = []

    async def run(self, receive: object) -> None:
        self.runs += 1
        try:
            await super().run(receive)  # type: ignore[arg-type]
        finally:
            self.runs -= 1

    def working(self, chat: ChatRef) -> None:
        self.shown.append(chat.chat_id)


@asynccontextmanager
async def a_process(
    database: TestDatabase, folder: Path, catalogue: Catalogue, adapter: FakeAdapter, roles: str = ""
) -> AsyncIterator[App]:
    roles = roles or ",".join(ALL_ROLES)
    settings = Settings(data=folder, database_url=database.url, burst_seconds=0, roles=roles)
    async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app:
        running = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            yield app
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def test_one_takes_another_handles_and_a_third_sends(
    shared: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    taking, handling, sending = Watched(), Watched(), Watched()
    async with (
        a_process(shared, tmp_path, catalogue, taking, "intake") as app,
        a_process(shared, tmp_path, catalogue, handling, "worker"),
        a_process(shared, tmp_path, catalogue, sending, "delivery"),
    ):
        for n in range(10):
            taking.incoming.put_nowait(a_message("Der Drucker ist kaputt", chat=f"c{n}"))
        await until(lambda: len(sending.sent) == 10)
        await app.engine.settled()
        assert (taking.runs, handling.runs, sending.runs) == (1, 0, 0)
    assert Counter(chat for chat, _ in sending.sent) == Counter(f"c{n}" for n in range(10))
    assert taking.sent == handling.sent == []
    assert set(taking.shown) == {f"c{n}" for n in range(10)}, (
        "whoever takes a message shows at once that it is worked on"
    )
    assert handling.shown == sending.shown == []


async def test_what_waits_while_no_process_has_the_role_is_done_when_one_comes(
    shared: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    taking, sending = Watched(), Watched()
    async with a_process(shared, tmp_path, catalogue, taking, "intake"):
        taking.incoming.put_nowait(a_message("Guten Tag"))
        await until(lambda: bool(taking.acknowledged))
        async with a_process(shared, tmp_path, catalogue, sending, "worker, delivery"):
            await until(lambda: len(sending.sent) == 1)
    assert taking.sent == []


async def test_a_process_without_the_adapter_hands_the_work_to_one_that_has_it(
    shared: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    """Each process has but one of the two platforms, and may be asked for the other's work first."""
    one, other = Watched("fake"), Watched("other")
    async with (
        a_process(shared, tmp_path, catalogue, one) as app,
        a_process(shared, tmp_path, catalogue, other),
    ):
        for n in range(20):
            one.incoming.put_nowait(a_message("Guten Tag", chat=f"f{n}", adapter="fake"))
            other.incoming.put_nowait(a_message("Guten Tag", chat=f"o{n}", adapter="other"))
        await until(lambda: len(one.sent) == len(other.sent) == 20, within=30)
        await app.engine.settled()
    assert {chat[0] for chat, _ in one.sent} == {"f"}
    assert {chat[0] for chat, _ in other.sent} == {"o"}


async def test_of_two_processes_one_runs_what_only_one_may_run(
    shared: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    first, second = Watched(exclusive=True), Watched(exclusive=True)
    async with a_process(shared, tmp_path, catalogue, second):
        await until(lambda: second.runs == 1)
        async with a_process(shared, tmp_path, catalogue, first) as app:
            await asyncio.sleep(1.5)
            assert (first.runs, second.runs) == (0, 1)
            insight = Insight(app.status, shared.open(), now)
            assert (app.status.intake, await insight.unready()) == ({"fake": WAITS}, {}), "it is ready to take over"
            second.incoming.put_nowait(a_message("Guten Tag"))
            await until(lambda: len(first.sent) + len(second.sent) == 1)


async def test_a_process_that_understands_nothing_trains_nothing_and_leaves_edited_intent_files_to_others(
    shared: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    folder = tmp_path / "data"
    settings = Settings(data=folder, database_url=shared.url, roles="intake,delivery")
    async with build(settings, adapters=[Watched()], catalogue=catalogue) as app:
        running = asyncio.create_task(app.run(settings.heartbeat))
        await until(settings.heartbeat.exists)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert not (folder / "models").exists()
    assert not settings.standing.exists()


async def test_on_an_embedded_database_a_part_of_the_work_is_refused_before_anything_begins(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    settings = Settings(data=tmp_path, roles="intake,delivery")
    with pytest.raises(SettingsError, match="FIRSTLINE_ROLES=intake,delivery: on an embedded database"):
        async with build(settings, adapters=[], classifier=FakeClassifier(), catalogue=catalogue):
            pass
    assert not (tmp_path / "firstline.db").exists()


def test_a_role_that_there_is_not_is_a_sentence() -> None:
    with pytest.raises(SettingsError, match=r"FIRSTLINE_ROLES: .*intake, worker, delivery"):
        Settings.load(roles="intake,wroker")
    with pytest.raises(SettingsError, match="FIRSTLINE_ROLES"):
        Settings.load(roles=" , ")
    assert Settings.load(roles=" worker ,intake").role_names == {"worker", "intake"}


async def test_without_the_package_of_the_wake_ups_postgresql_is_refused_with_the_remedy(
    shared: TestDatabase, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("bot.engine.")]:
        if name in ("bot.engine.procrastinate", "bot.engine.jobs", "bot.engine.wakeups"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    settings = Settings(data=tmp_path, database_url=shared.url)
    with pytest.raises(SettingsError, match=r"'procrastinate'.*pip install 'firstline\[postgres\]'"):
        async with build(settings, adapters=[], classifier=FakeClassifier(), catalogue=catalogue):
            pass


def test_without_the_driver_postgresql_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"'psycopg'.*pip install 'firstline\[postgres\]'"):
        Database("postgresql+psycopg://localhost/firstline")
