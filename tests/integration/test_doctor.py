"""`firstline doctor` looks at the whole set-up, finds what is wrong with it, and says what to do; without any account."""

from __future__ import annotations

import json
import os
import shutil
import time
from asyncio import to_thread
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.bootstrap import now
from bot.cli import app
from bot.config import Settings, shipped_intents
from bot.model import Finding
from bot.operations.checkup import data
from bot.storage import migrate
from tests.conftest import PostgresServer, TestDatabase, a_schema
from tests.fakes import a_message
from tests.loopback.smtp import LoopbackSmtp
from tests.loopback.telegram import LoopbackTelegram

Found = dict[str, list[Finding]]
Look = Callable[..., Awaitable[Found]]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """What is found, by section; the exit status must fit it, and whatever is wrong must come with a remedy."""
    for name in [name for name in os.environ if name.startswith("FIRSTLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    async def look(**variables: str) -> Found:
        known = {"FIRSTLINE_DATA": str(tmp_path / "data"), **variables}
        result = await to_thread(CliRunner().invoke, app, ["doctor", "--format", "json"], env=known)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        found: Found = {}
        for row in json.loads(result.stdout):
            section = row.pop("section")
            found.setdefault(section, []).append(Finding(**row))
        everything = [finding for findings in found.values() for finding in findings]
        assert all(finding.remedy for finding in everything if finding.level != "ok")
        assert result.exit_code == any(finding.level == "error" for finding in everything)
        return found

    return look


def _levels(findings: list[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def _said(findings: list[Finding], level: str) -> str:
    return "\n".join(f"{f.message} {f.remedy}" for f in findings if f.level == level)


async def test_a_machine_on_which_nothing_was_done_yet_has_no_errors_and_nothing_is_made(
    look: Look, tmp_path: Path
) -> None:
    found = await look()
    assert "error" not in {level for findings in found.values() for level in _levels(findings)}
    assert "firstline chat" in _said(found["Chats"], "note")
    assert "company.yaml" in _said(found["Intent files"], "warning")
    assert list(tmp_path.iterdir()) == []


async def test_people_read_it_in_sections_with_a_sum(look: Look, tmp_path: Path) -> None:
    result = await to_thread(CliRunner().invoke, app, ["doctor"], env={"FIRSTLINE_DATA": str(tmp_path / "data")})
    assert result.exit_code == 0
    assert "\nDatabase\nnote    There is no database" in result.output
    assert "0 errors, 1 warning" in result.output


# --- settings -----------------------------------------------------------------------------------------


async def test_a_setting_that_cannot_be_used_is_named(look: Look) -> None:
    found = await look(FIRSTLINE_FILE_MB="many", FIRSTLINE_LOG_FORMAT="xml")
    assert {"FIRSTLINE_FILE_MB", "FIRSTLINE_LOG_FORMAT"} <= set(
        _said(found["Settings"], "error").replace(":", "").split()
    )


async def test_a_setting_that_nobody_reads_is_told_with_the_one_that_was_meant(look: Look) -> None:
    found = await look(FIRSTLINE_TELEGRAM_TOKN="geheim", FIRSTLINE_FOLDER_EVERY="1", FIRSTLINE_XYZ="1")
    said = _said(found["Machine and settings"], "warning")
    assert "Did you mean FIRSTLINE_TELEGRAM_TOKEN?" in said
    assert "FIRSTLINE_XYZ" in said
    assert "FIRSTLINE_FOLDER_EVERY" not in said
    assert "geheim" not in str(found)


async def test_a_data_folder_that_is_none_is_an_error(look: Look, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = await look(FIRSTLINE_DATA=str(tmp_path / "file" / "data"))
    assert "FIRSTLINE_DATA" in _said(found["Machine and settings"], "error")


async def test_too_little_room_is_told_before_nothing_can_be_stored(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    for free, level in ((50 << 20, "error"), (500 << 20, "warning"), (5 << 30, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: type(usage)(usage.total, usage.used, free))
        found = await look()
        assert level in _levels(found["Machine and settings"])


async def test_intent_files_with_errors_are_told(look: Look, tmp_path: Path) -> None:
    folder = tmp_path / "intents"
    shutil.copytree(shipped_intents(), folder)
    (folder / "broken.yaml").write_text("id: [")
    found = await look(FIRSTLINE_INTENTS=str(folder))
    assert "intents check" in _said(found["Intent files"], "error")
    assert "broken.yaml" in _said(found["Intent files"], "error")


# --- the database and what waits in it ----------------------------------------------------------------


async def test_a_database_in_order_lacks_nothing(database: TestDatabase, look: Look) -> None:
    found = await look(FIRSTLINE_DATABASE_URL=database.url)
    assert _levels(found["Database"]) == ["ok"]
    assert _levels(found["Customers"]) == ["note"]


async def test_an_old_embedded_database_is_brought_up_by_the_start_a_server_by_a_command(
    empty_database: TestDatabase, look: Look
) -> None:
    await migrate.upgrade(empty_database.open(), "0003")
    await empty_database.close()
    found = await look(FIRSTLINE_DATABASE_URL=empty_database.url)
    if empty_database.is_sqlite:
        assert "next start" in _said(found["Database"], "note")
    else:
        assert "firstline db upgrade" in _said(found["Database"], "error")


async def test_a_database_of_a_newer_program_is_an_error(database: TestDatabase, look: Look) -> None:
    async with database.open().writing() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await database.close()
    assert "newer" in _said((await look(FIRSTLINE_DATABASE_URL=database.url))["Database"], "error")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody:geheim@127.0.0.1:1/firstline", "FIRSTLINE_DATABASE_URL right"),
        ("nonsense", "is no address"),
        ("oracle+oracledb_async://x/y", "oracle cannot be used"),
    ],
)
async def test_a_database_that_cannot_be_reached_is_an_error_and_the_rest_is_looked_at(
    look: Look, url: str, said: str
) -> None:
    found = await look(FIRSTLINE_DATABASE_URL=url)
    assert said in _said(found["Database"], "error")
    assert "geheim" not in str(found)
    assert "Running bot" in found


async def test_a_damaged_database_file_is_an_error(look: Look, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "firstline.db").write_bytes(b"no database at all " * 300)
    assert "firstline restore" in _said((await look())["Database"], "error")


async def test_clocks_that_differ_are_told(postgres: PostgresServer) -> None:
    database = a_schema(postgres)
    await migrate.upgrade(database.open())
    await database.close()
    settings = Settings(database_url=database.url)
    found = [finding async for finding in data.database(settings, lambda: now() + timedelta(minutes=5))]
    assert "differ by 5 minutes" in _said(found, "warning")


async def test_what_failed_for_good_and_what_waits_too_long_is_told(database: TestDatabase, look: Look) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=3)
    store = database.store()
    async with store.transaction() as session:
        await session.inbox.accept(a_message("Zebra"), long_ago)
        accepted = await session.inbox.accept(a_message("Gift", chat="c2"), long_ago)
        assert accepted is not None
        ((received,),) = await session.ask(session.inbox.opened(accepted.conversation_id))
        await session.inbox.mark_dead(received, long_ago)
    await database.close()
    found = await look(FIRSTLINE_DATABASE_URL=database.url)
    said = _said(found["Database"], "warning")
    assert "Messages that could not be handled (fake): 1." in said
    assert "firstline dead list" in said
    assert "has waited for 3 hours; 1 in all" in said
    assert "Zebra" not in said


async def test_files_that_cannot_be_kept_are_an_error(look: Look, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert _levels((await look())["Files"]) == ["ok"]
    left = [path for path in (tmp_path / "data" / "files").rglob("*") if path.is_file()]
    assert left == [], "nothing is left of what was tried"
    (tmp_path / "file").write_text("")
    assert "FIRSTLINE_FILES" in _said((await look(FIRSTLINE_FILES=str(tmp_path / "file")))["Files"], "error")


async def test_nobody_can_be_known_when_no_customer_is_on_file(database: TestDatabase, look: Look) -> None:
    found = await look(FIRSTLINE_DATABASE_URL=database.url, FIRSTLINE_IDENTIFY="always")
    assert "customers import" in _said(found["Customers"], "error")


# --- what runs, and whom it talks to ------------------------------------------------------------------


async def test_a_bot_that_is_silent_is_told_and_one_that_lives_is_asked(
    look: Look, tmp_path: Path, unused_tcp_port: int
) -> None:
    heartbeat = tmp_path / "data" / "heartbeat"
    heartbeat.parent.mkdir()
    heartbeat.touch()
    os.utime(heartbeat, (time.time() - 7200, time.time() - 7200))
    assert "for 2 hours" in _said((await look())["Running bot"], "warning")
    heartbeat.touch()
    assert _levels((await look())["Running bot"]) == ["ok"]
    found = await look(FIRSTLINE_OPERATIONS_PORT=str(unused_tcp_port))
    assert "cannot be reached" in _said(found["Running bot"], "warning")


async def test_the_mail_server_is_greeted_and_nothing_is_sent(look: Look) -> None:
    async with LoopbackSmtp(security="none", host="localhost").serve() as server:
        variables = {
            "FIRSTLINE_SMTP_HOST": "localhost",
            "FIRSTLINE_SMTP_PORT": str(server.port),
            "FIRSTLINE_SMTP_FROM": "helpdesk@nord.example",
        }
        assert _levels((await look(**variables, FIRSTLINE_SMTP_SECURITY="none"))["Mail"]) == ["ok"]
        assert "did not let us in" in _said((await look(**variables))["Mail"], "error")
        assert server.mails == []
    assert "FIRSTLINE_SMTP_FROM" in _said((await look(FIRSTLINE_SMTP_HOST="localhost"))["Mail"], "error")


async def test_each_chat_has_its_own_section_and_a_broken_one_hides_no_other(look: Look, tmp_path: Path) -> None:
    async with LoopbackTelegram().serve() as server:
        found = await look(
            FIRSTLINE_ADAPTERS="telegram,slack,folder,fax",
            FIRSTLINE_TELEGRAM_TOKEN=server.token,
            FIRSTLINE_TELEGRAM_API_URL=server.url,
            FIRSTLINE_FOLDER_PATH=str(tmp_path / "chat"),
        )
    assert "The token works" in _said(found["Telegram"], "ok")
    assert "FIRSTLINE_SLACK_BOT_TOKEN" in _said(found["Slack"], "error")
    assert _levels(found["Folder"]) == ["ok"]
    assert "There is no adapter 'fax'" in _said(found["Fax"], "error")
    assert server.token not in str(found)


async def test_the_chat_of_staff_is_looked_at_on_its_platform(look: Look) -> None:
    assert "firstline tickets" in _said((await look())["Staff"], "note")
    async with LoopbackTelegram().serve() as server:
        known = {
            "FIRSTLINE_ADAPTERS": "telegram",
            "FIRSTLINE_TELEGRAM_TOKEN": server.token,
            "FIRSTLINE_TELEGRAM_API_URL": server.url,
        }
        found = await look(**known, FIRSTLINE_STAFF_CHAT="telegram:-100999")
        assert _levels(found["Staff"]) == ["ok"]
        assert "does not know the group -100999" in _said(found["Telegram"], "error")
        found = await look(**known, FIRSTLINE_STAFF_CHAT="slack:C1")
        assert "FIRSTLINE_ADAPTERS" in _said(found["Staff"], "error")


async def test_a_database_is_not_made_by_looking_for_it(look: Look, tmp_path: Path) -> None:
    await look(FIRSTLINE_DATABASE_URL=f"sqlite:///{tmp_path / 'elsewhere' / 'my.db'}")
    assert not (tmp_path / "elsewhere").exists()
