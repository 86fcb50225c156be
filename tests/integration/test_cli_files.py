"""``firstline files``: what staff without a chat type to see, save, add and release the files of tickets."""

from __future__ import annotations

import json
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.errors import FirstlineError
from bot.model import Priority
from bot.storage.tickets import NewTicket
from tests.conftest import TestDatabase
from tests.fakes import START, a_message

Run = Callable[..., Result]


@pytest.fixture
async def run(database: TestDatabase, tmp_path: Path) -> Run:
    """Ticket HD-000001 is there, without files."""
    async with database.store().transaction() as session:
        accepted = await session.inbox.accept(a_message(), START)
        assert accepted is not None
        ticket = NewTicket("k", accepted.conversation_id, "judge", None, None, Priority.NORMAL, "Drucker", {})
        await session.tickets.open(ticket, START)
    settings = {"FIRSTLINE_DATABASE_URL": database.url, "FIRSTLINE_DATA": str(tmp_path / "data"), "COLUMNS": "200"}

    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(app, ["files", *arguments], env=settings | more)

    return run


def _file(tmp_path: Path, name: str, content: bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content)
    return str(path)


def _listed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def _error(result: Result) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, FirstlineError)
    return str(result.exception)


async def test_a_file_is_added_listed_and_saved_as_it_was(run: Run, tmp_path: Path) -> None:
    content = b"%PDF-1.7 " + bytes(200_000)
    added = await to_thread(run, "add", "HD-000001", _file(tmp_path, "Anleitung.pdf", content), "--as", "kim")
    assert added.output == "file 1\n"
    [row] = _listed(await to_thread(run, "list", "hd-1", "--format", "json"))
    assert (row["name"], row["found"], row["size"], row["person"], row["mark"]) == (
        "Anleitung.pdf",
        "application/pdf",
        200_009,
        "kim",
        "",
    )
    assert "Anleitung.pdf" in (await to_thread(run, "list", "1")).output
    (tmp_path / "target").mkdir()
    assert (await to_thread(run, "save", "1", str(tmp_path / "target"))).exit_code == 0
    assert (tmp_path / "target" / "Anleitung.pdf").read_bytes() == content
    assert "cannot be written" in _error(await to_thread(run, "save", "1", str(tmp_path / "target")))


async def test_a_dangerous_file_says_so_wherever_it_is_shown(run: Run, tmp_path: Path) -> None:
    await to_thread(run, "add", "HD-000001", _file(tmp_path, "setup.exe", b"MZ\x90\x00"), "--as", "kim")
    assert "executable, released" in (await to_thread(run, "list", "HD-000001")).output
    assert "may do harm: executable" in (await to_thread(run, "save", "1", str(tmp_path / "copy"))).output


async def test_what_cannot_be_says_why(run: Run, tmp_path: Path) -> None:
    empty, large = _file(tmp_path, "leer.txt", b""), _file(tmp_path, "gross.txt", bytes((1 << 20) + 1))
    for arguments, reason in (
        (("list", "Ticket 7"), "is no ticket"),
        (("save", "7", str(tmp_path)), "There is no file 7"),
        (("release", "7", "--as", "kim"), "There is no file 7"),
        (("add", "HD-000009", empty, "--as", "kim"), "There is no ticket HD-000009"),
        (("add", "HD-000001", empty, "--as", "kim"), "is empty"),
        (("add", "HD-000001", large, "--as", "kim"), "is too large"),
        (("add", "HD-000001", str(tmp_path / "fehlt"), "--as", "kim"), "cannot be read"),
    ):
        assert reason in _error(await to_thread(run, *arguments, FIRSTLINE_FILE_MB="1"))
    assert (await to_thread(run, "list", "HD-000001")).output == "HD-000001 has no files.\n"
