"""Intent files edited under a running bot: a good edit is taken over by itself, a bad one changes nothing and is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bot.bootstrap import build
from bot.config import Settings
from bot.running import App
from bot.standing import Standing
from tests.fakes import FakeAdapter, a_message
from tests.integration.desk import until
from tests.integration.tools.conftest import Run
from tests.integration.tools.folder import Intents

NEW = {
    "de": [
        f"Wo steht der {word} im Archiv" for word in ("Urlaubsantrag", "Reiseantrag", "Vertrag", "Beleg", "Bericht")
    ],
    "en": [
        f"Where is the {word} in the archive" for word in ("leave request", "trip", "contract", "receipt", "report")
    ],
}
NOBODY: dict[str, list[str]] = {"de": [], "en": []}


@asynccontextmanager
async def _running(intents: Intents, tmp_path: Path, adapter: FakeAdapter | None = None) -> AsyncIterator[App]:
    settings = Settings(data=tmp_path / "data", intents=intents.folder, encoder="none", burst_seconds=0)
    settings.data.mkdir()
    async with build(settings, adapters=[adapter or FakeAdapter()]) as app:
        running = asyncio.create_task(app.run(settings.heartbeat))
        await until(settings.standing.exists)
        await asyncio.sleep(0.3)  # the system begins to watch a moment after it was asked to
        try:
            yield app
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


def _standing(app: App) -> Standing:
    return Standing.read(app.knowledge.settings.standing)


async def _soon(true: Callable[[], bool]) -> None:
    await until(true, within=45)  # the worst case: the edit came before the watch, and is found by the next look


async def test_a_new_topic_is_known_a_moment_after_it_was_saved(intents: Intents, tmp_path: Path) -> None:
    adapter = FakeAdapter()
    async with _running(intents, tmp_path, adapter) as app:
        before = app.knowledge.in_force
        intents.topic("faq/archive", "in_scope.usage", NEW, NOBODY)
        await _soon(lambda: app.knowledge.in_force is not before)
        await app.receiver(a_message("Wo steht der Urlaubsantrag im Archiv"))
        await _soon(lambda: len(adapter.sent) == 1)
        assert "Antwort archive." in adapter.texts[0]
        standing = _standing(app)
        assert (standing.version, standing.refused, standing.topics) == (app.knowledge.in_force.version, None, 6)
        await app.engine.settled()
        async with app.store.snapshot() as session:
            (letter,) = await session.outbox.in_state("sent")
            (event,) = await session.events.of_conversation(letter.conversation_id)
        assert event.data["catalogue"] == standing.version


async def test_a_broken_file_is_refused_with_its_line_until_it_is_repaired(intents: Intents, tmp_path: Path) -> None:
    async with _running(intents, tmp_path) as app:
        before = app.knowledge.in_force
        file = intents.folder / "faq" / "hours.yaml"
        good = file.read_text(encoding="utf-8")
        file.write_text(good.replace('"category"', '"categry"'), encoding="utf-8")
        await _soon(lambda: app.knowledge.refused is not None)
        await _soon(lambda: _standing(app).refused is not None)
        refused = _standing(app).refused
        assert refused is not None
        assert any(problem.startswith("faq/hours.yaml:") for problem in refused.problems)
        assert app.knowledge.in_force is before

        file.write_text(good, encoding="utf-8")  # put back: nothing to train, nothing to complain about any more
        await _soon(lambda: _standing(app).refused is None)
        assert app.knowledge.in_force is before


async def test_an_edit_that_makes_a_covered_request_refused_is_not_taken_over(intents: Intents, tmp_path: Path) -> None:
    async with _running(intents, tmp_path) as app:
        before = app.knowledge.in_force
        stolen = [f"Wann ist die Hotline geöffnet {word}" for word in ("bitte", "denn", "heute", "eigentlich", "so")]
        intents.topic("excluded/thief", "excluded.training", {"de": stolen, "en": stolen}, NOBODY)
        await _soon(lambda: app.knowledge.refused is not None)
        await _soon(lambda: _standing(app).refused is not None)
        assert app.knowledge.in_force is before
        refused = _standing(app).refused
        assert refused is not None
        (problem,) = refused.problems
        assert problem.startswith("faq/hours.yaml:")
        assert "Wann ist die Hotline geöffnet?" in problem
        assert "excluded.training" in problem
        assert "thief" in problem


async def test_many_files_saved_at_once_are_one_edit(intents: Intents, tmp_path: Path) -> None:
    async with _running(intents, tmp_path) as app:
        before = app.knowledge.in_force
        for number in range(5):
            topic = {lang: [f"{text} {number}" for text in texts] for lang, texts in NEW.items()}
            intents.topic(f"faq/archive{number}", "in_scope.usage", topic, NOBODY)
            await asyncio.sleep(0.05)
        await _soon(lambda: app.knowledge.in_force is not before)
        assert len(app.knowledge.in_force.catalogue.topics) == 10


async def test_a_folder_that_is_exchanged_as_kubernetes_does_it_is_noticed(intents: Intents, tmp_path: Path) -> None:
    """A ConfigMap is a folder of links to ``..data``, which is a link that is replaced."""
    mount = tmp_path / "mount"
    mount.mkdir()
    shutil.copytree(intents.folder, mount / "..first")
    (mount / "..data").symlink_to("..first")
    for entry in sorted((mount / "..first").iterdir()):
        (mount / entry.name).symlink_to(f"..data/{entry.name}")
    async with _running(Intents(mount), tmp_path) as app:
        before = app.knowledge.in_force
        shutil.copytree(mount / "..first", mount / "..second")
        Intents(mount / "..second").topic("faq/archive", "in_scope.usage", NEW, NOBODY)
        (mount / "..new").symlink_to("..second")
        (mount / "..new").replace(mount / "..data")
        await _soon(lambda: app.knowledge.in_force is not before)
        assert "archive" in app.knowledge.in_force.catalogue.topics


async def test_sighup_loads_what_is_there(intents: Intents, tmp_path: Path) -> None:
    async with _running(intents, tmp_path) as app:
        before = app.knowledge.in_force
        os.kill(os.getpid(), signal.SIGHUP)
        await _soon(lambda: app.knowledge.in_force is not before)
        assert app.knowledge.in_force.version == before.version


async def test_a_folder_that_vanishes_leaves_the_bot_as_it_was_and_able_to_stop(
    intents: Intents, tmp_path: Path
) -> None:
    async with _running(intents, tmp_path) as app:
        before = app.knowledge.in_force
        intents.folder.rename(tmp_path / "elsewhere")
        await _soon(lambda: app.knowledge.refused is not None)
        assert app.knowledge.in_force is before
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 5


async def test_customers_are_answered_while_an_edit_is_being_trained(intents: Intents, tmp_path: Path) -> None:
    adapter = FakeAdapter()
    async with _running(intents, tmp_path, adapter) as app:
        intents.topic("faq/archive", "in_scope.usage", NEW, NOBODY)
        reload = asyncio.create_task(app.knowledge.reload())
        await app.receiver(a_message("Hallo"))
        await _soon(lambda: len(adapter.sent) == 1)
        assert await reload


async def test_a_fault_while_training_is_a_refusal_and_not_the_end(intents: Intents, tmp_path: Path) -> None:
    async with _running(intents, tmp_path) as app:
        before = app.knowledge.in_force
        app.knowledge.settings = app.knowledge.settings.model_copy(update={"encoder": "json:loads"})
        assert not await app.knowledge.reload()
        assert app.knowledge.in_force is before
        refused = _standing(app).refused
        assert refused is not None
        assert refused.problems


def test_status_tells_what_is_in_force_and_why_the_last_edit_is_not(run: Run, intents: Intents, tmp_path: Path) -> None:
    result = run("status")
    assert result.exit_code == 1
    assert "firstline run" in str(result.exception)

    async def edited() -> None:
        async with _running(intents, tmp_path) as app:
            (intents.folder / "faq" / "hours.yaml").write_text("id: [", encoding="utf-8")
            await _soon(lambda: app.knowledge.refused is not None)
            await _soon(lambda: _standing(app).refused is not None)

    asyncio.run(edited())
    result = run("status")
    assert result.exit_code == 1
    assert "was refused" in result.stdout
    assert "faq/hours.yaml:2:" in result.stdout
    told = json.loads(run("status", "--format", "json").stdout)
    assert told["refused"]["problems"]
    assert told["version"] in result.stdout
