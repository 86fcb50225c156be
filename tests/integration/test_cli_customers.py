"""``firstline customers``: what whoever keeps the register types, and what they get to see."""

from __future__ import annotations

import json
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from adapters.invitations import invitation
from bot.agreement.customers import Level
from bot.cli import app
from bot.errors import FirstlineError
from bot.model import ChatRef
from bot.storage.events import Event
from bot.storage.tables import event
from tests.conftest import TestDatabase
from tests.fakes import START, a_message

Run = Callable[..., Result]
REGISTER = """\
number;name;email;contract;valid_from;valid_until;products;covers;hours;region;response_hours
10442;Müller Maschinenbau GmbH;it@mueller.example;W-1;2025-01-01;2099-12-31;Intrexx;training;Mo-Fr 08:00-17:00;NW;8
K-7;Beispiel AG;;;;;;;;;
"""


@pytest.fixture
def run(database: TestDatabase, tmp_path: Path) -> Run:
    settings = {"FIRSTLINE_DATABASE_URL": database.url, "FIRSTLINE_DATA": str(tmp_path / "data"), "COLUMNS": "200"}

    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(app, ["customers", *arguments], env=settings | more)

    return run


@pytest.fixture
def register(tmp_path: Path) -> Path:
    file = tmp_path / "kunden.csv"
    file.write_text(REGISTER, encoding="utf-8")
    return file


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def _error(result: Result) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, FirstlineError)
    return str(result.exception)


async def _events(database: TestDatabase) -> list[Event]:
    async with database.store().snapshot() as session:
        rows = await session.connection.execute(select(event).order_by(event.c.id))
        return [Event(r.id, r.at, r.kind, r.actor, r.conversation_id, r.ticket, r.correlation, r.data) for r in rows]


def test_a_register_is_taken_over_once_and_then_changes_nothing(run: Run, register: Path) -> None:
    first = run("import", str(register))
    assert first.exit_code == 0
    assert "customers: 2 new, 0 changed, 0 unchanged" in first.output
    assert "contracts: 1 new, 0 changed, 0 unchanged" in first.output
    assert "customers without any contract, who are entitled to nothing: 1" in first.output
    again = _json(run("import", str(register), "--format", "json"))
    assert again["customers"] == {"new": 0, "changed": 0, "unchanged": 2}
    assert again["contracts"] == {"new": 0, "changed": 0, "unchanged": 1}


def test_what_has_changed_is_counted_and_named(run: Run, register: Path) -> None:
    run("import", str(register))
    register.write_text(REGISTER.replace("2099", "2098").replace("Beispiel AG", "Beispiel SE"), encoding="utf-8")
    tried = run("import", str(register), "--dry-run")
    assert "customers: 0 would be new, 2 would be changed" in tried.output
    result = run("import", str(register))
    assert "changed  K-7  Beispiel SE" in result.output
    assert "contracts: 0 new, 1 changed, 0 unchanged" in result.output
    assert [row["name"] for row in _json(run("list", "--format", "json"))] == [
        "Müller Maschinenbau GmbH",
        "Beispiel SE",
    ]


def test_with_one_wrong_line_nothing_is_taken_over_and_everything_wrong_is_told(run: Run, register: Path) -> None:
    register.write_text(REGISTER + "8;C;nobody;;;;;;;;\n9;=D;;;;;;;;;\n", encoding="utf-8")
    result = run("import", str(register))
    assert result.exit_code == 1
    assert (
        f"{register}:4: email: 'nobody' is no e-mail address. Write one address such as it@example.com."
        in result.output
    )
    assert f"{register}:5: name: '=D' begins like a formula." in result.output
    assert "nothing was imported" in result.output
    assert _json(run("list", "--format", "json")) == []
    told = run("import", str(register), "--format", "json")
    assert told.exit_code == 1
    assert {"file", "line", "column", "message", "remedy"} == set(json.loads(told.output)["problems"][0])


def test_a_file_of_german_excel_is_taken_over_with_a_word_about_it(run: Run, register: Path) -> None:
    register.write_bytes(REGISTER.replace("\n", "\r\n").encode("cp1252"))
    result = run("import", str(register))
    assert "read as Windows-1252" in result.output
    assert _json(run("show", "10442", "--format", "json"))["name"] == "Müller Maschinenbau GmbH"


def test_files_that_cannot_be_read_are_a_sentence(run: Run, tmp_path: Path) -> None:
    assert "cannot be read" in _error(run("import", str(tmp_path / "nothing.csv")))
    workbook = tmp_path / "kunden.xlsx"
    workbook.write_bytes(b"PK\x03\x04\x81\x9d")
    assert "is a workbook, not a CSV file. Save it as 'CSV UTF-8" in _error(run("import", str(workbook)))


def test_what_is_exported_can_be_imported_and_changes_nothing(run: Run, register: Path, tmp_path: Path) -> None:
    run("import", str(register))
    exported = tmp_path / "exported.csv"
    assert run("export", str(exported)).exit_code == 0
    assert exported.read_bytes().startswith(b"\xef\xbb\xbfnumber;name;")
    again = _json(run("import", str(exported), "--format", "json"))
    assert again["customers"] == {"new": 0, "changed": 0, "unchanged": 2}
    assert run("export").output == exported.read_text(encoding="utf-8-sig")


def test_a_customer_is_shown_with_what_the_contract_covers(run: Run, register: Path) -> None:
    run("import", str(register))
    shown = run("show", "10442").output
    for words in (
        "Müller Maschinenbau GmbH",
        "in force",
        "intrexx",
        "excluded.training",
        "Mo-Fr 08:00-17:00 NW",
        "8 h",
    ):
        assert words in shown
    assert "no contract" in run("show", "K-7").output
    assert "10442" in run("list").output
    assert "There is no customer '999'" in _error(run("show", "999"))


async def test_a_token_invites_once_and_comes_with_links(run: Run, register: Path, database: TestDatabase) -> None:
    await to_thread(run, "import", str(register))
    told = _json(
        await to_thread(run,
            "invite", "10442", "--email", "p.klein@mueller.example", "--person", "Petra Klein", "--format", "json",
            FIRSTLINE_TELEGRAM_BOT_NAME="@nordbot", FIRSTLINE_SLACK_APP_ID="A123",
        )
    )  # fmt: skip
    assert told["links"]["telegram"] == f"https://t.me/nordbot?start={told['token']}"
    assert told["links"]["slack"] == "https://slack.com/app_redirect?app=A123"
    assert told["token"] not in (await to_thread(run, "invite", "10442")).output
    async with database.store().transaction() as session:
        organisation = await session.customers.redeem(told["token"], START)
        assert organisation is not None
        assert organisation.number == "10442"
        assert await session.customers.redeem(told["token"], START) is None
    events = await _events(database)
    assert [e.kind for e in events] == ["customers_imported", "customer_invited", "customer_invited"]
    assert {e.actor for e in events} == {"cli"}
    assert told["token"] not in str(events)


def test_a_token_is_printed_in_one_line_that_can_be_copied(run: Run, register: Path) -> None:
    run("import", str(register))
    plain = run("invite", "10442", "--person", "Petra")
    assert "FIRSTLINE_TELEGRAM_BOT_NAME" in plain.output
    linked = run("invite", "10442", FIRSTLINE_TELEGRAM_BOT_NAME="nordbot", COLUMNS="40").output
    token = next(line.split()[1] for line in linked.splitlines() if line.strip().startswith("token"))
    assert invitation(token) == token
    assert f"https://t.me/nordbot?start={token}" in linked


def test_invitations_that_make_no_sense_are_refused(run: Run, register: Path) -> None:
    run("import", str(register))
    assert "There is no customer '999'" in _error(run("invite", "999"))
    assert "--email: 'nobody' is no e-mail address" in _error(run("invite", "10442", "--email", "nobody"))
    assert "names no place" in _error(run("invite", "10442", "--channel", "C123"))


async def test_a_bound_channel_shows_up_and_can_be_forgotten(run: Run, register: Path, database: TestDatabase) -> None:
    await to_thread(run, "import", str(register))
    assert (await to_thread(run, "invite", "K-7", "--channel", "slack:C123")).exit_code == 0
    async with database.store().transaction() as session:
        (standing,) = await session.customers.standings(ChatRef("slack", "T1:C123"), "T1:U5")
        assert standing.organisation is not None
        assert (standing.level, standing.organisation.number) == (Level.PROVEN, "K-7")
        await session.customers.bind(
            "telegram", "4711", standing.organisation.id, Level.STATED, START, person="Jan", how="stated"
        )
    known = _json(await to_thread(run, "show", "K-7", "--format", "json"))["known"]
    assert [(k["kind"], k["id"], k["level"]) for k in known] == [
        ("channel", "slack:C123", "proven"),
        ("person", "telegram:4711", "stated"),
    ]
    assert "telegram:4711" in (await to_thread(run, "show", "K-7")).output
    for who in ("slack:C123", "telegram:4711"):
        assert (await to_thread(run, "forget", "K-7", who)).exit_code == 0
    assert _json(await to_thread(run, "show", "K-7", "--format", "json"))["known"] == []
    assert "is not known for K-7" in _error(await to_thread(run, "forget", "K-7", "telegram:4711"))


async def test_a_person_is_erased_after_a_question_and_the_next_time_nothing_is_known(
    run: Run, database: TestDatabase
) -> None:
    async with database.store().transaction() as session:
        await session.inbox.accept(a_message("Mein Drucker raucht", sender="4711", adapter="telegram"), START)
    tried = _json(await to_thread(run, "erase", "--person", "telegram:4711", "--dry-run", "--format", "json"))
    assert tried == {"dry_run": True, "messages": 1, "conversations": 1, "files": 0, "known": 0}
    assert (await to_thread(run, "erase", "--person", "telegram:4711")).exit_code == 1, "nobody has said yes"
    done = _json(await to_thread(run, "erase", "--person", "telegram:4711", "--yes", "--format", "json"))
    assert (done["dry_run"], done["messages"]) == (False, 1)
    assert [(e.kind, e.data["messages"]) for e in await _events(database) if e.kind == "erased"] == [("erased", 1)]
    assert "Nothing is known" in _error(await to_thread(run, "erase", "--person", "telegram:4711", "--yes"))


def test_whom_to_erase_must_be_said_in_one_way(run: Run) -> None:
    for arguments in ((), ("10442", "--person", "telegram:4711")):
        assert "either a customer by number or one person" in _error(run("erase", *arguments))
