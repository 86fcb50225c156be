"""A platform for each test of the contract, and an environment without proxies and tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from starlette.routing import Mount

from bot.storage.files import Folder
from bot.web import bound, serve
from tests.adapters.platforms import Inbox, Platform
from tests.adapters.slack_platform import Slack, SlackOverHttp
from tests.adapters.telegram_platform import CalledTelegram, Telegram
from tests.loopback.slack import LoopbackSlack
from tests.loopback.slack_http import Caller
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
    async with LoopbackSlack().serve() as server, aclosing(Slack(server, files)) as slack:
        yield slack


@pytest.fixture
async def called(files: Folder) -> AsyncIterator[CalledTelegram]:
    async with LoopbackTelegram().serve() as server, CalledTelegram(server, files).online() as telegram:
        yield telegram


@asynccontextmanager
async def called_slack(files: Folder) -> AsyncIterator[SlackOverHttp]:
    """Slack calls, and tries again at once: what failed a moment ago may work the next."""
    listening = bound("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/slack/events"
    async with LoopbackSlack(caller=Caller(address, pauses=(0.05,) * 40, within=0.3)).serve() as server:
        slack = SlackOverHttp(server, files)
        web = asyncio.create_task(serve([Mount("/", slack.asgi)], listening))
        try:
            yield slack
        finally:
            web.cancel()
            await asyncio.gather(web, return_exceptions=True)
            await slack.aclose()


@pytest.fixture
async def slack_over_http(files: Folder) -> AsyncIterator[SlackOverHttp]:
    async with called_slack(files) as slack:
        yield slack


@pytest.fixture(params=["telegram", "telegram over http", "slack", "slack over http"])
async def platform(request: pytest.FixtureRequest, files: Folder) -> AsyncIterator[Platform]:
    if request.param == "telegram":
        async with LoopbackTelegram().serve() as telegram:
            yield Telegram(telegram, files)
    elif request.param == "telegram over http":
        async with LoopbackTelegram().serve() as server, CalledTelegram(server, files).online() as called_telegram:
            yield called_telegram
    elif request.param == "slack":
        async with LoopbackSlack().serve() as over_socket, aclosing(Slack(over_socket, files)) as slack:
            yield slack
    else:
        async with called_slack(files) as called:
            yield called
