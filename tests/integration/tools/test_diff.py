"""``firstline intents diff``: what an edit would change, told before it is made."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.store import Store
from tests.fakes import START, a_message
from tests.integration.tools.conftest import Run
from tests.integration.tools.folder import Intents

QUESTION = "Wann ist die Hotline geöffnet?"


@pytest.fixture
def edited(intents: Intents, tmp_path: Path) -> Intents:
    """The same folder, with a topic that refuses what was answered before."""
    folder = tmp_path / "edited"
    shutil.copytree(intents.folder, folder)
    found = Intents(folder)
    stolen = [f"Wann ist die Hotline geöffnet {word}" for word in ("bitte", "denn", "heute", "eigentlich", "so")]
    found.topic("excluded/thief", "excluded.onsite", {"de": stolen, "en": stolen}, {"de": [], "en": []})
    return found


def _messages(file: Path, *texts: str) -> str:
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return str(file)


def test_an_answer_that_becomes_a_refusal_comes_first_and_fails_where_asked_to(
    run: Run, edited: Intents, intents: Intents, tmp_path: Path
) -> None:
    file = _messages(tmp_path / "m.txt", "Hallo", QUESTION, "", "Passwort vergessen")
    result = run("diff", str(intents.folder), str(edited.folder), "--messages", file)
    assert result.exit_code == 0, result.output
    assert "1 of 3 messages would be decided differently" in result.stdout
    assert "covered, and now refused m.txt:2" in result.stdout
    assert "old: gets the article hours" in result.stdout
    assert "new: is told that this is not covered (excluded.onsite" in result.stdout
    assert run("diff", str(edited.folder), "--messages", file, "--fail-on-refusals").exit_code == 1
    assert run("diff", str(intents.folder), "--messages", file, "--fail-on-refusals").exit_code == 0


def test_for_programs_it_is_one_json_object(run: Run, edited: Intents, tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    rows = [{"id": "a", "text": QUESTION, "lang": "de"}, {"text": "Hallo"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    told = json.loads(run("diff", str(edited.folder), "--messages", str(file), "--format", "json").stdout)
    assert (told["messages"], told["changed"], told["refused"]) == (2, 1, 1)
    (change,) = told["changes"]
    assert (change["id"], change["text"]) == ("a", QUESTION)
    assert (change["old"]["action"], change["old"]["faq"], change["new"]["action"]) == ("answer", "hours", "exclude")
    assert told["old"] != told["new"]


def test_what_a_label_calls_excluded_may_be_refused(run: Run, edited: Intents, tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_text(json.dumps({"text": QUESTION, "category": "excluded.onsite"}), encoding="utf-8")
    result = run("diff", str(edited.folder), "--messages", str(file), "--fail-on-refusals")
    assert result.exit_code == 0
    assert "1 of 1 messages" in result.stdout


def test_an_edit_that_changes_nothing_says_so(run: Run, intents: Intents, tmp_path: Path) -> None:
    result = run("diff", str(intents.folder), "--messages", _messages(tmp_path / "m.txt", "Hallo", QUESTION))
    assert "All 2 messages would be decided as before." in result.stdout


def test_without_a_file_the_newest_stored_messages_are_compared(run: Run, edited: Intents, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    async def stored() -> None:
        database = Database(f"sqlite:///{tmp_path / 'data' / 'firstline.db'}")
        await migrate.upgrade(database)
        store = Store(database)
        async with store.transaction() as session:
            for text in ("alt und vergessen", QUESTION, QUESTION, "   ", "Hallo"):
                await session.inbox.accept(a_message(text), START)
            await session.inbox.accept(a_message("", action="x"), START)
        await store.close()

    asyncio.run(stored())
    told = json.loads(run("diff", str(edited.folder), "--format", "json").stdout)
    assert (told["messages"], told["refused"]) == (3, 1)
    told = json.loads(run("diff", str(edited.folder), "--last", "1", "--format", "json").stdout)
    assert (told["messages"], told["refused"]) == (1, 0)


def test_a_folder_with_errors_is_refused_with_them(run: Run, edited: Intents, tmp_path: Path) -> None:
    (edited.folder / "faq" / "hours.yaml").write_text("id: [", encoding="utf-8")
    result = run("diff", str(edited.folder), "--messages", _messages(tmp_path / "m.txt", "Hallo"))
    assert result.exit_code == 1
    assert "faq/hours.yaml:" in str(result.exception)


def test_where_nothing_is_stored_a_file_is_asked_for_and_no_database_is_made(
    run: Run, edited: Intents, tmp_path: Path
) -> None:
    result = run("diff", str(edited.folder))
    assert result.exit_code == 1
    assert "--messages" in str(result.exception)
    assert not (tmp_path / "data").exists()
