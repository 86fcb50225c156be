"""A platform for each test of the contract, and an environment without proxies and tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

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
async def telegram() -> AsyncIterator[Telegram]:
    async with LoopbackTelegram().serve() as server:
        yield Telegram(server)


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    async with LoopbackSlack().serve() as server:
        yield Slack(server)


@pytest.fixture(params=["telegram", "slack"])
async def platform(request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    if request.param == "telegram":
        async with LoopbackTelegram().serve() as telegram:
            yield Telegram(telegram)
    else:
        async with LoopbackSlack().serve() as slack:
            yield Slack(slack)
