"""A platform for each test of the contract, and an environment without proxies and tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.storage.files import Folder
from tests.adapters.platforms import Inbox, Platform
from tests.adapters.slack_platform import Slack
from tests.adapters.telegram_platform import Telegram
from tests.loopback.slack import LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SLACK_BOT_TOKEN", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def files(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "files")


@pytest.fixture
async def telegram(files: Folder) -> AsyncIterator[Telegram]:
    async with LoopbackTelegram().serve() as server:
        yield Telegram(server, files)


@pytest.fixture
async def slack(files: Folder) -> AsyncIterator[Slack]:
    async with LoopbackSlack().serve() as server:
        yield Slack(server, files)


@pytest.fixture(params=["telegram", "slack"])
async def platform(request: pytest.FixtureRequest, files: Folder) -> AsyncIterator[Platform]:
    if request.param == "telegram":
        async with LoopbackTelegram().serve() as telegram:
            yield Telegram(telegram, files)
    else:
        async with LoopbackSlack().serve() as slack:
            yield Slack(slack, files)
