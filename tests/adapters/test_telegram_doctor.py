"""`firstline doctor telegram` finds each mistake that one can make with a Telegram bot, and says what to do."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from adapters.telegram.doctor import Setup, diagnose
from bot.cli import app
from bot.model import Finding
from tests.adapters.platforms import Inbox, running, until
from tests.adapters.telegram_platform import CalledTelegram, Telegram
from tests.loopback.faults import Fault
from tests.loopback.telegram_forum import FORUM


class Internet(httpx.AsyncHTTPTransport):
    """Where a public name leads."""

    def __init__(self, local: str) -> None:
        super().__init__()
        self._local = httpx.URL(local)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host=self._local.host, port=self._local.port)
        return await super().handle_async_request(request)


def a_setup(telegram: Telegram, **more: Any) -> Setup:
    known = {"token": telegram.server.token, "base_url": f"{telegram.server.url}/bot"}
    return Setup(**{**known, **more})


async def found(setup: Setup) -> list[Finding]:
    findings = [finding async for finding in diagnose(setup)]
    assert all(finding.remedy for finding in findings if finding.level != "ok"), "whatever is wrong comes with a remedy"
    assert not any(setup.token and setup.token in finding.message + finding.remedy for finding in findings)
    return findings


def wrong(findings: list[Finding]) -> list[str]:
    return [f"{finding.message} {finding.remedy}" for finding in findings if finding.level in {"error", "warning"}]


async def test_a_bot_that_is_set_up_well_lacks_nothing(telegram: Telegram) -> None:
    telegram.server.hears_everything = True
    findings = await found(a_setup(telegram, groups=["-100"], name="@Firstline_Bot"))
    assert [finding.level for finding in findings] == ["ok"] * 3


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "is not set.*BotFather"),
        ("", "is not set"),
        ('"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"', "does not look like.*without quotes"),
        ("bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "does not look like"),
        ("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDxxx", "does not accept the token.*API Token"),
    ],
)
async def test_a_token_that_is_missing_mangled_or_wrong(telegram: Telegram, token: str | None, message: str) -> None:
    [said] = wrong(await found(a_setup(telegram, token=token)))
    assert re.search(message, said)


async def test_telegram_cannot_be_reached(telegram: Telegram, unused_tcp_port: int) -> None:
    [said] = wrong(await found(a_setup(telegram, base_url=f"http://127.0.0.1:{unused_tcp_port}/bot")))
    assert "cannot be reached" in said


async def test_telegram_is_out_of_order(telegram: Telegram) -> None:
    telegram.server.fail("getMe", Fault(status=502, html=True))
    [said] = wrong(await found(a_setup(telegram)))
    assert "status 502" in said


async def test_another_name_than_the_bot_has(telegram: Telegram) -> None:
    [said] = wrong(await found(a_setup(telegram, name="other_bot")))
    assert "Set it to firstline_bot" in said


async def test_a_clock_that_is_wrong(telegram: Telegram) -> None:
    [said] = wrong(await found(a_setup(telegram, clock=lambda: time.time() + 3600)))
    assert "clock" in said
    assert "NTP" in said


async def test_privacy_mode_is_explained(telegram: Telegram) -> None:
    notes = [finding for finding in await found(a_setup(telegram)) if finding.level == "note"]
    assert ["/setprivacy" in note.remedy for note in notes] == [True]


async def test_a_webhook_is_set_while_updates_are_fetched(telegram: Telegram) -> None:
    telegram.server.webhook.url = "https://old.example.com/telegram"
    [said] = wrong(await found(a_setup(telegram)))
    assert "old.example.com" in said
    assert "FIRSTLINE_TELEGRAM_MODE=webhook" in said
    assert telegram.server.webhook.url, "a doctor only looks"


async def test_nobody_fetches(telegram: Telegram) -> None:
    for number in range(101):
        await telegram.say(str(number))
    [said] = wrong(await found(a_setup(telegram)))
    assert "101 updates wait" in said


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, "FIRSTLINE_PUBLIC_URL is not set"),
        ("http://bot.example.com/telegram", "wants https"),
        ("https://bot.example.com:8080/telegram", "port 8080"),
        ("https://localhost/telegram", "not in the public Internet"),
        ("https://192.168.1.7/telegram", "not in the public Internet"),
        ("https://helpdesk/telegram", "not in the public Internet"),
        ("https://bot.example.com/telegram", "calls nobody"),
    ],
)
async def test_an_address_that_telegram_does_not_call(telegram: Telegram, address: str | None, message: str) -> None:
    transport = Internet("http://127.0.0.1:9")
    said = wrong(await found(a_setup(telegram, webhook=True, called_at=address, transport=transport)))
    assert message in said[0]


async def test_a_bot_that_is_called_and_answers(called: CalledTelegram, inbox: Inbox) -> None:
    setup = a_setup(called, webhook=True, called_at=called.address, transport=Internet(called.local))
    async with running(called.adapter(), inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
        findings = await found(setup)
    assert wrong(findings) == []
    assert [finding.message for finding in findings if "refuses whoever" in finding.message]


async def test_calls_that_fail_are_told_with_what_telegram_says(called: CalledTelegram, inbox: Inbox) -> None:
    setup = a_setup(called, webhook=True, called_at=called.address, transport=Internet("http://127.0.0.1:9"))
    async with running(called.adapter(), inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
    await called.say("Hallo")
    await until(lambda: 503 in called.server.webhook.answers)
    said = wrong(await found(setup))
    assert "503; 1 updates wait" in said[0]
    assert "Nobody answers" in said[1]


async def test_somebody_else_answers_where_the_bot_should(called: CalledTelegram) -> None:
    setup = a_setup(called, webhook=True, called_at=called.address, transport=Internet(called.local))
    said = wrong(await found(setup))
    assert "calls nobody" in said[0]
    assert "status 502" in said[1]


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ({"status": "left"}, "not in Gruppe any more"),
        ({"status": "kicked"}, "not in Gruppe any more"),
        ({"status": "restricted", "can_send_messages": False}, "may not write"),
    ],
)
async def test_a_group_without_the_bot_or_without_its_rights(
    telegram: Telegram, member: dict[str, Any], message: str
) -> None:
    telegram.server.groups.bot[-100] = member
    [said] = wrong(await found(a_setup(telegram, groups=["-100"])))
    assert message in said


async def test_a_group_that_nobody_knows_or_that_has_moved(telegram: Telegram) -> None:
    telegram.server.migrated[-9] = -1009
    said = wrong(await found(a_setup(telegram, groups=["-77", "-9"])))
    assert "does not know the group -77" in said[0]
    assert "is now -1009" in said[1]


STAFF = str(FORUM)


async def test_a_group_of_staff_in_which_all_is_well(telegram: Telegram) -> None:
    telegram.server.groups.join(FORUM, 501)
    findings = await found(a_setup(telegram, staff=STAFF, people={"501": "Kim Berger"}))
    assert wrong(findings) == []
    said = [finding.message for finding in findings]
    assert any("can open a topic for each ticket" in message for message in said)
    assert any("1 of 1 on the list" in message for message in said)


@pytest.mark.parametrize(
    ("bot", "message"),
    [
        ({"status": "member"}, "no administrator of Gruppe"),
        ({"status": "left"}, "no administrator of Gruppe"),
        ({"status": "administrator", "can_pin_messages": True}, "may not manage topics"),
    ],
)
async def test_a_group_of_staff_in_which_the_bot_lacks_a_right(
    telegram: Telegram, bot: dict[str, Any], message: str
) -> None:
    telegram.server.groups.bot[FORUM] = bot
    [said] = wrong(await found(a_setup(telegram, staff=STAFF)))
    assert message in said


async def test_a_group_of_staff_in_which_cards_cannot_be_pinned_is_only_noted(telegram: Telegram) -> None:
    telegram.server.groups.bot[FORUM]["can_pin_messages"] = False
    findings = await found(a_setup(telegram, staff=STAFF))
    assert wrong(findings) == []
    assert any(f.level == "note" and "may not pin" in f.message for f in findings)


async def test_a_group_of_staff_without_topics_or_that_has_moved_or_that_nobody_knows(telegram: Telegram) -> None:
    telegram.server.groups.forums.discard(FORUM)
    assert "has no topics" in wrong(await found(a_setup(telegram, staff=STAFF)))[0]
    telegram.server.migrated[-9] = FORUM
    assert f"is now {STAFF}" in wrong(await found(a_setup(telegram, staff="-9")))[0]
    assert "does not know the group -77, in which staff" in wrong(await found(a_setup(telegram, staff="-77")))[0]


async def test_who_of_staff_cannot_be_heard_and_ticks_that_cannot_be_shown(telegram: Telegram) -> None:
    groups = telegram.server.groups
    groups.join(FORUM, 501, "administrator", is_anonymous=True)
    groups.join(FORUM, 502, "left")
    groups.allowed[FORUM] = frozenset({"👌", "👎"})
    said = wrong(await found(a_setup(telegram, staff=STAFF, people={"501": "Kim", "502": "Mira"})))
    assert any("✍ 👀 are not allowed" in message for message in said)
    assert any("Mira (502) is on the list of staff, but not in" in message for message in said)
    assert any("writes anonymously" in message for message in said)


def test_the_command_shows_findings_and_fails_where_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTLINE_DATA", str(tmp_path))
    monkeypatch.setenv("FIRSTLINE_TELEGRAM_TOKEN", "mangled")
    result = CliRunner().invoke(app, ["doctor", "telegram"])
    assert (result.exit_code, "does not look like a token" in result.output) == (1, True)
    result = CliRunner().invoke(app, ["doctor", "telegram", "--format", "json"])
    assert json.loads(result.output)[0]["level"] == "error"


async def test_the_command_asks_the_server_that_is_set(
    telegram: Telegram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTLINE_DATA", str(tmp_path))
    monkeypatch.setenv("FIRSTLINE_TELEGRAM_TOKEN", telegram.server.token)
    monkeypatch.setenv("FIRSTLINE_TELEGRAM_API_URL", telegram.server.url)
    result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "telegram", "--group", "-100"])
    assert (result.exit_code, "@firstline_bot" in result.output) == (0, True)
