"""A file all the way: from a customer's message on the platform to staff, and from staff back into the chat."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.desk.files import FileDesk
from bot.model import Person, Ticket
from bot.running import App
from bot.storage.attachments import Filed
from bot.storage.files import Folder
from tests.adapters.platforms import Platform, until
from tests.adapters.slack_platform import Slack
from tests.adapters.telegram_platform import Telegram
from tests.fakes import FakeClassifier
from tests.integration.test_file_folder import pieces
from tests.loopback.faults import Fault
from tests.loopback.slack import LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram

KIM = Person("kim", "Kim Berger")
LOG = b"ERROR 17\n" * 30_000


@pytest.fixture(params=["telegram", "slack"])
async def platform(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Platform]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SLACK_BOT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    files = Folder(tmp_path / "files")
    if request.param == "telegram":
        async with LoopbackTelegram().serve() as telegram:
            yield Telegram(telegram, files)
    else:
        async with LoopbackSlack().serve() as slack:
            yield Slack(slack, files)


@pytest.fixture
async def app(platform: Platform, tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[App]:
    """The whole program, with one platform on the loopback interface."""
    settings = Settings(data=tmp_path, burst_seconds=0, undo_seconds=0)
    async with build(
        settings,
        adapters=[platform.adapter()],
        classifier=FakeClassifier(),
        catalogue=catalogue,
        files=platform.files,
    ) as app:
        running = asyncio.create_task(app.run(tmp_path / "heartbeat"))
        yield app
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _filed(app: App, *states: str) -> tuple[Ticket, Filed]:
    """The one ticket and its one file, once that is in one of these states."""
    async with asyncio.timeout(20):
        while True:
            async with app.store.snapshot() as session:
                for ticket in await session.tickets.all():
                    for filed in await session.attachments.of_ticket(ticket.number):
                        if filed.state in states:
                            return ticket, filed
            await asyncio.sleep(0.02)


async def test_a_log_of_the_customer_reaches_staff_and_their_manual_comes_back(platform: Platform, app: App) -> None:
    platform.fail_fetching(Fault(cut=True))
    await platform.say_with_file("Drucker kaputt", "../fehler.log", "text/plain", LOG)
    ticket, filed = await _filed(app, "stored")
    assert (filed.name, filed.size, filed.danger) == ("fehler.log", len(LOG), None)
    desk = FileDesk(app.store, platform.files, lambda: ticket.created_at, 1 << 20)
    _, content = await desk.open(filed.id)
    assert b"".join([piece async for piece in content]) == LOG

    manual = await desk.add(ticket.number, KIM, "Anleitung.pdf", "application/pdf", pieces(b"%PDF-1.7 ..."))
    await app.desk.reply(ticket.number, KIM, "So geht es.", [manual])
    await until(lambda: any(name == "Anleitung.pdf" for _, name, _ in platform.shared), within=30)
    [(caption, _, sent)] = [each for each in platform.shared if each[1]]
    assert (caption, sent) == ("So geht es.", b"%PDF-1.7 ...")


async def test_a_file_that_comes_empty_is_given_up_and_the_customer_is_told(platform: Platform, app: App) -> None:
    await platform.say_with_file("Drucker kaputt", "leer.log", "text/plain", b"")
    _, filed = await _filed(app, "refused")
    assert "empty" in str(filed.error)
    await until(lambda: any("leer.log" in text for text in platform.sent), within=30)
