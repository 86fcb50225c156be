"""Secrets that can be recognised turn up in no log, error, table or backup, whatever goes wrong."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import structlog
from aiohttp import web
from pydantic import SecretStr
from typer.testing import CliRunner

from adapters.mail import MailAdapter
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.cli import app as commands
from bot.config import Settings
from bot.errors import DeliveryError, SettingsError
from bot.logs import redacted
from bot.model import ChatRef, OutboundMessage
from bot.storage.database import Database
from tests.fakes import FakeClassifier, a_message
from tests.hostile.conftest import Log
from tests.loopback.smtp import LoopbackSmtp, trusting
from tests.ports import free_port

CANARIES = {
    "FIRSTLINE_TELEGRAM_TOKEN": "4242:telegram-canary-that-is-long-enough-0",
    "FIRSTLINE_SLACK_BOT_TOKEN": "xoxb-slack-bot-canary",
    "FIRSTLINE_SLACK_APP_TOKEN": "xapp-slack-app-canary",
    "FIRSTLINE_SLACK_SIGNING_SECRET": "51c9canary51c9canary51c9canary00",
    "FIRSTLINE_SLACK_CONFIG_TOKEN": "xoxe.xoxp-slack-config-canary",
    "FIRSTLINE_SMTP_PASSWORD": "smtp password canary",
    "AWS_SECRET_ACCESS_KEY": "aws-key-canary",
    "AWS_SESSION_TOKEN": "aws-session-canary",
}
DATABASE = "database-canary"


def found(text: str) -> list[str]:
    """The canaries that are in it, whole or all but their beginning."""
    return [secret for secret in (*CANARIES.values(), DATABASE) if secret in text or secret[6:] in text]


@asynccontextmanager
async def babbling() -> AsyncIterator[tuple[str, list[str]]]:
    """A platform that fails at everything, and repeats in its answer what it was called with."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        said = f"{request.raw_path} {dict(request.headers)} {await request.text()}"
        kind = len(asked) % 3
        if kind == 0:
            return web.Response(status=502, text=said)
        return web.json_response(
            {"ok": False, "error": said, "error_code": 400, "description": said}, status=400 if kind == 1 else 200
        )

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@pytest.fixture
async def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[list[str]]:
    """An environment full of canaries in front of such a platform; what it was asked."""
    async with babbling() as (url, asked):
        names = {
            **CANARIES,
            "FIRSTLINE_ADAPTERS": "telegram,slack",
            "FIRSTLINE_DATA": str(tmp_path / "data"),
            "FIRSTLINE_TELEGRAM_API_URL": url,
            "FIRSTLINE_SLACK_API_URL": f"{url}/api/",
            "FIRSTLINE_SMTP_HOST": "127.0.0.1",
            "FIRSTLINE_SMTP_PORT": "9",
            "FIRSTLINE_SMTP_USER": "helpdesk",
            "FIRSTLINE_SMTP_FROM": "helpdesk@nord.example",
            "FIRSTLINE_LOG_LEVEL": "debug",
            "FIRSTLINE_ENCODER": "none",
        }
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        yield asked


@pytest.mark.parametrize("form", ["console", "json"])
async def test_a_bot_that_fails_at_everything_tells_no_secret(
    failing: list[str], log: Log, tmp_path: Path, catalogue: Catalogue, form: str
) -> None:
    settings = Settings.load(log_format=form, burst_seconds=0, operations_port=free_port())
    log.configure(settings.log_format, settings.log_level, settings.secrets)
    async with build(settings, classifier=FakeClassifier(), catalogue=catalogue) as app:
        running = asyncio.create_task(app.run(settings.heartbeat))
        for platform in ("telegram", "slack"):
            await app.receiver(a_message("Der Drucker ist kaputt", adapter=platform, chat="17"))
        async with asyncio.timeout(30):
            while "sendMessage" not in str(failing) or "chat.postMessage" not in str(failing) or len(failing) < 12:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)  # what they answered is written down
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.operations_port}") as client:
            told = "".join([(await client.get(path)).text for path in ("/metrics", "/readyz", "/healthz")])
        assert "firstline_" in told
        assert found(told) == []
        running.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await running
    assert "next try" in log.getvalue()
    assert found(log.getvalue()) == []
    kept = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file())
    assert b"Drucker" in kept
    assert found(kept.decode("latin-1")) == []
    saved = await asyncio.to_thread(CliRunner().invoke, commands, ["backup", str(tmp_path / "kept.tar")])
    assert saved.exit_code == 0, saved.output
    assert found((tmp_path / "kept.tar").read_bytes().decode("latin-1")) == []


async def test_a_mail_server_that_refuses_the_password_and_repeats_it_hears_of_it_alone(log: Log) -> None:
    """The answer to a login that fails goes into the record of the code that was to be mailed."""
    password = CANARIES["FIRSTLINE_SMTP_PASSWORD"]
    settings = Settings(
        smtp_host="localhost", smtp_user="bot", smtp_password=SecretStr(password), smtp_from="a@b.example"
    )
    log.configure("console", "debug", settings.secrets)
    async with LoopbackSmtp(users={"bot": "another"}).serve() as server:
        server.refusal = (
            f"535 5.7.8 {base64.b64encode(f'bot {password}'.encode()).decode()} is not the login: {password}"
        )
        mail = MailAdapter(
            "localhost",
            server.port,
            sender="a@b.example",
            user="bot",
            password=password,
            context=trusting(),
            security="starttls",
        )
        [part] = mail.render(OutboundMessage(ChatRef("mail", "it@muster.example"), "Ihr Code"))
        with pytest.raises(DeliveryError) as refused:
            await mail.send(part)
    assert server.mails == []
    assert found(redacted(str(refused.value))) == []
    structlog.get_logger("test").warning("send_put_off", error=str(refused.value))
    assert found(log.getvalue()) == []


@pytest.mark.parametrize("command", [["doctor", "telegram"], ["doctor", "slack"], ["doctor", "--format", "json"]])
async def test_doctor_tells_no_secret(failing: list[str], command: list[str]) -> None:
    shown = await asyncio.to_thread(CliRunner().invoke, commands, command)
    assert shown.output
    assert found(shown.output) == []
    assert found(str(shown.exception)) == []


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://bot:{DATABASE}@127.0.0.1:9/x",
        f"postgresql://bot:{DATABASE}@127.0.0.1:port/x",
        f"postgresql://bot:{DATABASE}@[/x",
        f"{DATABASE}",
    ],
)
async def test_a_database_that_cannot_be_used_does_not_give_its_password_away(
    log: Log, catalogue: Catalogue, tmp_path: Path, url: str
) -> None:
    settings = Settings(database_url=url, data=tmp_path)
    log.configure("console", "debug", settings.secrets)
    assert found(repr(settings)) == []
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        async with build(settings, classifier=FakeClassifier(), catalogue=catalogue):
            pass
    assert found(str(caught.value)) == []
    assert found(log.getvalue()) == []


def test_an_address_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="FIRSTLINE_DATABASE_URL"):
        Database("postgresql://bot:word@host:port/x")


def test_secrets_are_blanked_however_deep_they_are_logged(log: Log) -> None:
    secrets = {"geheimes Wort", "kurz"}
    log.configure("console", "debug", secrets)
    said = structlog.get_logger("test")
    said.warning("failed", data={"a": ["geheimes Wort", ("geheimes Wort",)]}, error=ValueError("geheimes Wort"))
    logging.getLogger("library").warning("at %s", "postgresql://bot:a-password@host/x")
    try:
        raise ValueError("geheimes Wort")
    except ValueError:
        logging.getLogger("library").exception("broken")
    assert "geheimes Wort" not in log.getvalue()
    assert "a-password" not in log.getvalue()
    assert log.getvalue().count("[secret]") >= 5
