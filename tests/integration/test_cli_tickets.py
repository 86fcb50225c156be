"""``firstline tickets`` and ``firstline incidents``: a desk without any chat, which writes beside a running bot."""

from __future__ import annotations

import json
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.cli import app
from bot.config import Settings
from bot.errors import FirstlineError
from bot.model import ChatRef, InboundMessage, Person
from tests.conftest import TestDatabase
from tests.fakes import START, FakeAdapter, FakeClassifier

Run = Callable[..., Result]
CHAT = ChatRef("terminal", "c1")


def _said(text: str, number: int, **more: Any) -> InboundMessage:
    sender = Person(more.pop("sender", "anna"), "Anna Kunde")
    return InboundMessage(CHAT, f"m{number}", f"d{number}", sender, text, START, **more)


@pytest.fixture
async def run(database: TestDatabase, tmp_path: Path, catalogue: Catalogue) -> Run:
    """The commands, on a database in which a customer has reported a fault and changed a word of it."""
    adapter = FakeAdapter("terminal")
    settings = Settings(data=tmp_path / "seed", database_url=database.url, burst_seconds=0)
    async with (
        build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as bot,
        bot.working(),
    ):
        await bot.receiver(_said("Der Drucker ist kaputt", 1))
        await bot.engine.settled()
        await bot.receiver(_said("Der Drucker ist ganz kaputt", 2, edit_of="m1"))
        await bot.engine.settled()
    variables = {"FIRSTLINE_DATABASE_URL": database.url, "FIRSTLINE_DATA": str(tmp_path / "data"), "COLUMNS": "220"}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=variables)

    return run


def _ok(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def _json(result: Result) -> Any:
    return json.loads(_ok(result))


def _refused(result: Result) -> str:
    assert isinstance(result.exception, FirstlineError), result.output
    return str(result.exception)


def test_a_ticket_is_taken_answered_and_resolved_from_the_command_line(run: Run) -> None:
    assert "HD-000001" in _ok(run("tickets", "list", "--open"))
    assert "HD-000001 taken, Kim Berger" in _ok(run("tickets", "take", "hd-000001", "--as", "Kim Berger"))
    assert "is with Kim Berger" in _refused(run("tickets", "take", "1", "--as", "Mira"))
    _ok(run("tickets", "note", "1", "Vorsicht, verärgert", "--as", "Mira"))
    assert "undo HD-000001" in _ok(run("tickets", "reply", "1", "Bitte neu starten", "--as", "Kim Berger"))
    assert "Bitte neu starten" in _ok(run("tickets", "undo", "1", "--as", "Kim Berger"))
    _ok(run("tickets", "reply", "1", "Bitte das Netzteil prüfen", "--as", "Kim Berger"))
    shown = _json(run("tickets", "show", "1", "--format", "json"))
    assert shown["card"]["audience"] == "staff"
    assert [(line["speaker"], line["mark"]) for line in shown["talk"]] == [
        ("customer", "replaced"),
        ("bot", None),
        ("customer", "edited"),
        *[("bot", None)] * (len(shown["talk"]) - 7),
        ("bot", "pending"),
        ("note", None),
        ("staff", "undone"),
        ("staff", "pending"),
    ]
    assert "resolved" in _ok(run("tickets", "resolve", "1", "--as", "Kim Berger"))
    assert _json(run("tickets", "list", "--format", "json"))[0]["state"] == "resolved"
    assert "Kim Berger" in _ok(run("tickets", "show", "1"))


def test_an_auditor_reads_who_said_what_to_whom_and_when(run: Run) -> None:
    _ok(run("tickets", "take", "1", "--as", "Kim Berger"))
    _ok(run("tickets", "note", "1", "nur intern", "--as", "Mira"))
    _ok(run("tickets", "reply", "1", "Guten Tag", "--as", "Kim Berger"))
    entries = _json(run("tickets", "audit", "1", "--format", "json"))
    told = {(e["kind"], e["who"], e["to"], e["text"]) for e in entries}
    assert ("message", "Anna Kunde (terminal:anna)", "Firstline", "Der Drucker ist kaputt") in told
    assert ("note", "Mira (staff:cli:mira)", "staff", "nur intern") in told
    assert ("reply", "Kim Berger (staff:cli:kim berger)", "terminal:c1", "Guten Tag") in told
    marks = {e["text"]: e["mark"] for e in entries if e["kind"] == "message"}
    assert marks == {"Der Drucker ist kaputt": "edited later", "Der Drucker ist ganz kaputt": "edits m1"}
    assert [e["at"] for e in entries] == sorted(e["at"] for e in entries)
    assert "nur intern" in _ok(run("tickets", "audit", "1"))
    exported = _json(run("tickets", "export", "1"))
    assert exported["ticket"]["key"] == "HD-000001"
    assert len(exported["audit"]) == len(entries)


def test_everything_else_that_can_be_done_has_a_command(run: Run) -> None:
    _ok(run("tickets", "prioritise", "1", "high", "--as", "Kim"))
    _ok(run("tickets", "correct", "1", "in_scope.usage", "--as", "Kim"))
    _ok(run("tickets", "progress", "1", "wird geprüft", "--as", "Kim"))
    _ok(run("tickets", "assign", "1", "Mira", "--as", "Kim"))
    _ok(run("tickets", "ask", "1", "Seit wann?", "--as", "Mira"))
    _ok(run("tickets", "prepared", "1", "try_again", "--as", "Mira"))
    assert "no prepared text 'x'" in _refused(run("tickets", "prepared", "1", "x", "--as", "Mira"))
    assert "HD-000001" in _ok(run("tickets", "away", "--as", "Mira", "--until", "2099-01-01T08:00:00"))
    assert [m["here"] for m in _json(run("tickets", "staff", "--format", "json"))] == [False]
    assert "back at 2099" in _ok(run("tickets", "staff"))
    _ok(run("tickets", "here", "--as", "Mira"))
    assert "no consent" in _refused(run("tickets", "forward", "1", "Microsoft", "--as", "Mira"))
    _ok(run("tickets", "hand-back", "1", "--as", "Mira"))
    _ok(run("tickets", "close", "1", "--as", "Mira"))
    assert "taken, Kim" in _ok(run("tickets", "reopen", "1", "--as", "Kim"))
    assert "cannot follow itself" in _refused(run("tickets", "link", "1", "1", "--as", "Kim"))
    assert "no ticket HD-000002" in _refused(run("tickets", "merge", "1", "2", "--as", "Kim"))


@pytest.mark.parametrize("arguments", [("show", "HD-9"), ("take", "9", "--as", "Kim"), ("audit", "9"), ("export", "9")])
def test_a_ticket_that_does_not_exist_is_named(run: Run, arguments: tuple[str, ...]) -> None:
    assert _refused(run("tickets", *arguments)) == "There is no ticket HD-000009."


@pytest.mark.parametrize("arguments", [("show", "drucker"), ("take", "1", "--as", " "), ("take", "1")])
def test_what_is_typed_wrongly_is_explained(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("tickets", *arguments).exit_code == 2


async def test_an_incident_begins_is_listed_and_ends_with_a_word_to_those_who_reported_it(
    run: Run, database: TestDatabase
) -> None:
    begun = await to_thread(
        run,
        "incidents",
        "begin",
        "--de",
        "Der Server steht.",
        "--en",
        "It is down.",
        "--word",
        "Drucker",
        "--as",
        "Kim",
    )
    assert "incident 1 has begun" in _ok(begun)
    async with database.store().transaction() as session:
        conversation = await session.conversations.find(CHAT)
        assert conversation is not None
        await session.incidents.join(1, conversation.id, "geht nicht", START)
    assert _json(await to_thread(run, "incidents", "list", "--format", "json"))[0]["affected"] == 1
    assert "Der Server steht." in _ok(await to_thread(run, "incidents", "list"))
    assert "conversations told: 1" in _ok(await to_thread(run, "incidents", "end", "1", "--as", "Kim"))
    async with database.store().snapshot() as session:
        (letter,) = await session.outbox.in_state("pending")
    assert "Der Server steht." in letter.text
    assert "no incident 1 that lasts" in _refused(await to_thread(run, "incidents", "end", "1", "--as", "Kim"))
    assert "concern nobody" in _refused(
        await to_thread(run, "incidents", "begin", "--de", "x", "--en", "x", "--as", "Kim")
    )
    assert "no topic nonsense" in _refused(
        await to_thread(run, "incidents", "begin", "--de", "x", "--en", "x", "--topic", "nonsense", "--as", "Kim")
    )
