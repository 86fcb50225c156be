"""The whole bot with Slack at one end, made from settings alone: what people at the other end get to read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from bot import web
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.running import App
from bot.storage import tables
from tests.adapters.platforms import until
from tests.adapters.slack_platform import Slack
from tests.fakes import FakeClassifier
from tests.loopback.faults import Fault
from tests.loopback.slack import BOT_USER
from tests.loopback.slack_http import SECRET, Caller

CHANNEL: dict[str, Any] = {"channel": "C1", "channel_type": "channel"}


@asynccontextmanager
async def _running(slack: Slack, folder: Path, catalogue: Catalogue, *, http: bool = False) -> AsyncIterator[App]:
    chosen = Settings(
        data=folder,
        adapters="slack",
        burst_seconds=0,
        slack_mode="http" if http else "socket",
        slack_bot_token=SecretStr(slack.server.bot_token),
        slack_app_token=None if http else SecretStr(slack.server.app_token),
        slack_signing_secret=SecretStr(SECRET) if http else None,
        slack_api_url=f"{slack.server.url}/api/",
    )
    folder.mkdir()
    async with build(chosen, classifier=FakeClassifier(), catalogue=catalogue) as app, app.working():
        tasks = [asyncio.create_task(app.adapters["slack"].run(app.receiver))]
        if http:
            listening = web.bound("127.0.0.1", 0)
            slack.server.caller = Caller(
                f"http://127.0.0.1:{listening.getsockname()[1]}/slack/events", pauses=(0.1,) * 20, within=3
            )
            tasks.append(asyncio.create_task(web.serve(web.offered(app.adapters.values()), listening)))
        try:
            yield app
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def app(slack: Slack, tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[App]:
    async with _running(slack, tmp_path / "data", catalogue) as app:
        yield app


async def _done(app: App, slack: Slack) -> None:
    """Everything that Slack has delivered is handled, and everything that was said is sent."""
    await slack.settled()
    async with asyncio.timeout(20):
        while True:
            await app.engine.settled()
            async with app.store.snapshot() as session:
                if not (await session.inbox.waiting() or await session.outbox.waiting()):
                    return
            await asyncio.sleep(0.02)


async def _states(app: App, table: Any) -> Counter[str]:
    async with app.store.snapshot() as session:
        return Counter((await session.connection.execute(select(table.c.state))).scalars())


def _said(slack: Slack, channel: str) -> list[str]:
    return [message["text"] for (where, _), message in slack.server.sent.items() if where == channel]


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_eleven_deliveries_under_different_event_ids_get_one_answer(
    slack: Slack, tmp_path: Path, catalogue: Catalogue, http: bool
) -> None:
    async with _running(slack, tmp_path / "data", catalogue, http=http) as app:
        for number in range(11):
            kind = "app_mention" if number % 2 else "message"
            slack.server.push(
                slack.event(f"<@{BOT_USER}> Der Drucker ist kaputt", "1700000000.000001", kind, **CHANNEL)
            )
        await _done(app, slack)
        assert await _states(app, tables.inbox) == Counter(handled=1)
    [answer] = slack.server.sent.values()
    assert "HD-000001" in answer["text"]
    assert answer["thread_ts"] == "1700000000.000001", "in a thread, so that the channel stays readable"


async def test_in_its_thread_the_bot_goes_on_listening_and_elsewhere_it_does_not(app: App, slack: Slack) -> None:
    slack.server.push(slack.event("Moin zusammen", "1700000000.000001", **CHANNEL))
    slack.server.push(slack.event("Selber moin", "1700000000.000002", thread_ts="1700000000.000001", **CHANNEL))
    slack.server.push(slack.event(f"<@{BOT_USER}> Der Drucker ist kaputt", "1700000000.000003", **CHANNEL))
    await _done(app, slack)
    there = {"thread_ts": "1700000000.000003", **CHANNEL}
    slack.server.push(slack.event("Es steht Fehler 17 da", "1700000000.000004", user="U6", **there))
    slack.server.push(slack.event("<@U5> hast du ihn neu gestartet?", "1700000000.000005", user="U6", **there))
    await _done(app, slack)
    async with app.store.snapshot() as session:
        rows = (await session.connection.execute(select(tables.inbox).order_by(tables.inbox.c.seq))).all()
        assert len(await session.tickets.all()) == 1
    assert [row.message["text"] for row in rows] == ["Der Drucker ist kaputt", "Es steht Fehler 17 da"]
    assert len({row.conversation_id for row in rows}) == 1
    assert {message.get("thread_ts") for message in slack.server.sent.values()} == {"1700000000.000003"}


async def test_a_command_in_a_channel_is_answered_where_nobody_else_reads(app: App, slack: Slack) -> None:
    await slack.command("person")
    await _done(app, slack)
    assert _said(slack, "C1") == []
    assert any("HD-000001" in text for text in _said(slack, "D5"))


async def test_the_home_tab_shows_the_ticket_and_its_button_calls_a_person(app: App, slack: Slack) -> None:
    await slack.say("Der Drucker ist kaputt")
    await _done(app, slack)
    slack.server.push(slack.event("", "1700000000.000009", "app_home_opened", tab="home"))
    await until(lambda: "U5" in slack.server.homes)
    text = "\n".join(
        block["text"]["text"] for block in slack.server.homes["U5"]["blocks"] if block["type"] == "section"
    )
    assert "HD-000001" in text


async def test_a_send_that_timed_out_but_arrived_is_read_once(app: App, slack: Slack) -> None:
    slack.server.fail("chat.postMessage", Fault(cut=True))
    await slack.say("Der Drucker ist kaputt")
    await _done(app, slack)
    assert len(_said(slack, "D1")) == 1
    assert slack.send_calls == 1
    assert await _states(app, tables.outbox) == Counter(sent=1)


async def test_a_send_that_never_arrived_is_made_again(app: App, slack: Slack) -> None:
    slack.server.fail("chat.postMessage", Fault(drop=True))
    await slack.say("Der Drucker ist kaputt")
    await _done(app, slack)
    assert len(_said(slack, "D1")) == 1
    assert slack.send_calls == 2


async def test_a_limit_in_one_channel_holds_up_no_other(app: App, slack: Slack) -> None:
    slack.server.channels.add("D7")
    slack.server.fail("chat.postMessage", Fault(status=429, retry_after=2))
    await slack.say("Der Drucker ist kaputt")
    await until(lambda: slack.send_calls == 1)
    slack.server.push(slack.event("Der Drucker ist kaputt", "1700000000.000700", channel="D7", user="U7"))
    await until(lambda: bool(_said(slack, "D7")))
    assert _said(slack, "D1") == []
    await _done(app, slack)
    assert len(_said(slack, "D1")) == 1


async def test_people_of_two_workspaces_in_a_shared_channel_are_told_apart(app: App, slack: Slack) -> None:
    shared = {"thread_ts": "1700000000.000003", "is_ext_shared_channel": True, **CHANNEL}
    for number, team in enumerate(("T0FIRST", "T9"), start=10):
        text = f"<@{BOT_USER}> Der Drucker ist kaputt"
        slack.server.push(slack.event(text, f"1700000000.0000{number}", user="U5", user_team=team, **shared))
    await _done(app, slack)
    async with app.store.snapshot() as session:
        rows = (await session.connection.execute(select(tables.inbox).order_by(tables.inbox.c.seq))).all()
    assert [row.message["sender"]["id"] for row in rows] == ["T0FIRST:U5", "T9:U5"]
