"""The adapter that docs/adapters.md walks through keeps its promises, and the page shows what is really run."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adapters
from adapters.folder import FolderAdapter, UnreadableError, to_inbound
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.errors import DeliveryError, SettingsError
from bot.model import Button, ChatRef, InboundMessage, OutboundMessage, Part
from tests.adapters.platforms import Inbox, until
from tests.fakes import FakeClassifier

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "chat"


@asynccontextmanager
async def running(place: Path, inbox: Inbox) -> AsyncIterator[FolderAdapter]:
    adapter = FolderAdapter(str(place), every=0.01)
    task = asyncio.create_task(adapter.run(inbox.receive))
    try:
        yield adapter
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await adapter.close()


def put(place: Path, name: str, content: Any) -> None:
    (place / "in").mkdir(parents=True, exist_ok=True)
    draft = place / f"{name}.tmp"
    draft.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    draft.replace(place / "in" / f"{name}.json")


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"chat": "4711", "from": "ada", "text": text, **more}


def names(place: Path, folder: str) -> list[str]:
    return sorted(file.name for file in (place / folder).iterdir())


async def test_messages_arrive_in_order_and_are_acknowledged_afterwards(place: Path, inbox: Inbox) -> None:
    inbox.gate.clear()
    put(place, "0002", said("zwei"))
    put(place, "0001", said("eins", name="Ada Lovelace"))
    async with running(place, inbox):
        await until(lambda: bool(inbox.tried))
        await asyncio.sleep(0.03)
        assert names(place, "done") == [], "nothing is acknowledged before it is stored"
        inbox.gate.set()
        first, second = await inbox.has(2)
        await until(lambda: names(place, "done") == ["0001.json", "0002.json"])
    assert (first.text, first.message_id, first.sender.name) == ("eins", "0001", "Ada Lovelace")
    assert (second.text, second.chat) == ("zwei", ChatRef("folder", "4711"))


async def test_what_could_not_be_stored_is_taken_again_before_anything_behind_it(place: Path, inbox: Inbox) -> None:
    inbox.fail = 2
    put(place, "0001", said("eins"))
    put(place, "0002", said("zwei"))
    async with running(place, inbox):
        await inbox.has(2)
    assert [message.text for message in inbox.tried] == ["eins", "eins", "eins", "zwei"]


async def test_what_cannot_be_read_is_put_aside_and_blocks_nothing(
    place: Path, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [b"", b"{", b"[1]", b"\xff", b"null", b"[" * 100_000, {"chat": "", "from": "ada"}, said("x") | {"text": 5}]
    for number, content in enumerate(broken):
        put(place, f"{number:04}", content)
    put(place, "9999", said("geheim"))
    async with running(place, inbox):
        await inbox.has(1)
    assert len(names(place, "unreadable")) == len(broken)
    assert "geheim" not in caplog.text
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == len(broken)


async def test_buttons_edits_and_deletions_are_told_apart(place: Path, inbox: Inbox) -> None:
    put(place, "0001", said("alt"))
    put(place, "0002", said("neu", edit_of="0001"))
    put(place, "0003", said("", deletion_of="0001"))
    put(place, "0004", said("Ja", action="yes"))
    async with running(place, inbox):
        await inbox.has(4)
    told = [(message.edit_of, message.deletion_of, message.action) for message in inbox.arrived]
    assert told == [(None, None, None), ("0001", None, None), (None, "0001", None), (None, None, "yes")]


async def test_a_reply_is_there_whole_or_not_at_all(place: Path) -> None:
    adapter = FolderAdapter(str(place))
    [part] = adapter.render(OutboundMessage(ChatRef("folder", "4711"), "**Guten** Tag", (Button("Ja", "yes"),)))
    name = await adapter.send(part)
    assert names(place, "out") == [name]
    reply = json.loads((place / "out" / name).read_text())
    assert (reply["chat"], reply["text"], reply["buttons"]) == (
        "4711",
        "**Guten** Tag",
        [{"label": "Ja", "action": "yes"}],
    )


async def test_a_folder_that_is_gone_is_no_loss(place: Path) -> None:
    adapter = FolderAdapter(str(place))
    (place / "out").rmdir()
    with pytest.raises(DeliveryError) as caught:
        await adapter.send(Part(ChatRef("folder", "4711"), {"text": "Hallo"}))
    assert (caught.value.permanent, caught.value.uncertain) == (False, False)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["chat", "from", "text", "action", "name"]), x),
    ).map(lambda x: json.dumps(x).encode())
)
@settings(deadline=None)
def test_whatever_a_file_holds_it_is_a_message_or_unreadable(content: bytes) -> None:
    with suppress(UnreadableError):
        assert isinstance(to_inbound("0001", content), InboundMessage)


# --- registered ---------------------------------------------------------------------------------------


async def test_it_runs_by_its_name_and_its_settings_alone(
    place: Path, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adapters.load("folder") is FolderAdapter
    monkeypatch.setenv("FIRSTLINE_FOLDER_PATH", str(place))
    monkeypatch.setenv("FIRSTLINE_FOLDER_EVERY", "0.01")
    put(place, "0001", said("Der Drucker ist kaputt"))
    chosen = Settings(data=tmp_path / "data", adapters="folder", burst_seconds=0)
    chosen.data.mkdir()
    async with build(chosen, classifier=FakeClassifier(), catalogue=catalogue) as app, app.working():
        task = asyncio.create_task(app.adapters["folder"].run(app.receiver))
        try:
            await until(lambda: bool(names(place, "out")))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    [name] = names(place, "out")
    assert "HD-000001" in json.loads((place / "out" / name).read_text())["text"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "FIRSTLINE_FOLDER_.*path"),
        ({"PATH": "/proc/none"}, "FIRSTLINE_FOLDER_PATH"),
        ({"PATH": ".", "EVERY": "often"}, "FIRSTLINE_FOLDER_.*often"),
        ({"PATH": ".", "COLOUR": "red"}, "FIRSTLINE_FOLDER_.*colour"),
    ],
)
async def test_wrong_settings_of_it_are_named(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(f"FIRSTLINE_FOLDER_{name}", value)
    with pytest.raises(SettingsError, match=said):
        async with build(Settings(data=tmp_path, adapters="folder"), classifier=FakeClassifier(), catalogue=catalogue):
            pass


def test_the_page_shows_the_adapter_as_it_is() -> None:
    page = (ROOT / "docs" / "adapters.md").read_text()
    _, _, shown = page.partition("<!-- adapters/folder.py -->\n\n```python\n")
    assert shown.partition("```")[0] == (ROOT / "adapters" / "folder.py").read_text()
