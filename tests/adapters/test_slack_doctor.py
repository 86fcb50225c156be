"""`firstline doctor slack` finds each mistake that one can make with a Slack app, and says what to do."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.slack.doctor import Setup, diagnose, manifest
from bot.cli import app
from bot.config import Settings
from bot.model import Finding
from tests.adapters.platforms import Inbox, running
from tests.adapters.slack_platform import Slack, SlackOverHttp
from tests.loopback.faults import Fault
from tests.loopback.slack import SCOPES, TEAM, LoopbackSlack
from tests.loopback.slack_http import SECRET
from tests.loopback.slack_methods import METHODS


def a_setup(server: LoopbackSlack, **more: Any) -> Setup:
    known = {"bot_token": server.bot_token, "app_token": server.app_token, "base_url": f"{server.url}/api/"}
    return Setup(**{**known, **more})


async def found(setup: Setup) -> list[Finding]:
    return [finding async for finding in diagnose(setup)]


def wrong(findings: list[Finding], level: str = "error") -> list[str]:
    """The messages of one level; whatever is wrong comes with a remedy."""
    assert all(finding.remedy for finding in findings if finding.level != "ok")
    return [finding.message for finding in findings if finding.level == level]


@pytest.fixture
def app_settings(slack: Slack) -> dict[str, Any]:
    """The settings of the app as Slack has them, to be changed."""
    slack.server.manifest = copy.deepcopy(dict(manifest()))
    return slack.server.manifest


async def test_an_app_made_from_the_manifest_lacks_nothing(slack: Slack, app_settings: dict[str, Any]) -> None:
    more = {"config_token": slack.server.config_token, "app_id": "A1", "channels": ["C1"]}
    findings = await found(a_setup(slack.server, **more))
    assert {finding.level for finding in findings} == {"ok"}
    assert len(findings) == 5


def test_the_manifest_has_a_scope_for_each_method_and_event() -> None:
    scopes = set(manifest()["oauth_config"]["scopes"]["bot"])
    assert scopes == set(SCOPES)
    assert all(method.scopes & scopes for method in METHODS.values() if method.scopes)
    needed = {
        "app_mention": "app_mentions:read",
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.im": "im:history",
        "message.mpim": "mpim:history",
    }
    events = set(manifest()["settings"]["event_subscriptions"]["bot_events"])
    assert events == {*needed, "app_home_opened"}
    assert set(needed.values()) <= scopes


@pytest.mark.parametrize("scope", sorted(SCOPES))
async def test_each_missing_scope_is_named_with_what_fails_without_it(slack: Slack, scope: str) -> None:
    slack.server.scopes = SCOPES - {scope}
    findings = await found(a_setup(slack.server))
    [message] = [finding.message for finding in findings if scope in finding.message]
    assert len(message) > len(f"The scope {scope} is missing: ") + 10


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "is not set"),
        ("xapp-loopback", "is an app-level token"),
        ("xoxp-1", "is a user's token"),
        ("abc", "is no token"),
        ("xoxb-wrong", "invalid_auth"),
    ],
)
async def test_a_wrong_bot_token_is_all_that_is_said(slack: Slack, token: str | None, message: str) -> None:
    [only] = wrong(await found(a_setup(slack.server, bot_token=token)))
    assert message in only
    assert token is None or token not in only


@pytest.mark.parametrize(
    ("token", "message"),
    [(None, "is not set"), ("xoxb-loopback", "is no app-level token"), ("xapp-wrong", "invalid_auth")],
)
async def test_a_wrong_app_level_token_is_found(slack: Slack, token: str | None, message: str) -> None:
    [only] = wrong(await found(a_setup(slack.server, app_token=token)))
    assert message in only


async def test_socket_mode_that_is_off_is_found(slack: Slack) -> None:
    slack.server.socket_mode = False
    findings = await found(a_setup(slack.server))
    assert ["No socket can be opened" in message for message in wrong(findings)] == [True]


async def test_slack_that_cannot_be_reached_is_no_wrong_token(slack: Slack, unused_tcp_port: int) -> None:
    away = await found(a_setup(slack.server, base_url=f"http://127.0.0.1:{unused_tcp_port}/api/"))
    assert ["cannot be reached" in message for message in wrong(away)] == [True]
    slack.server.fail("auth.test", Fault(status=502, html=True))
    assert ["nothing readable" in message for message in wrong(await found(a_setup(slack.server)))] == [True]


async def test_channels_without_the_bot_are_named(slack: Slack) -> None:
    slack.server.channels.add("C2")
    slack.server.left.add("C2")
    findings = await found(a_setup(slack.server, channels=["C1", "T0FIRST:C2", "C999"]))
    outside, unseen = wrong(findings)
    assert "is not in #hilfe" in outside
    assert "C999" in unseen
    assert "channel_not_found" in unseen


@pytest.mark.parametrize(
    ("path", "value", "level", "message"),
    [
        (("settings", "event_subscriptions", "bot_events"), ["app_mention"], "error", "The event message.im"),
        (("settings", "event_subscriptions"), None, "error", "The event app_mention"),
        (("settings", "interactivity", "is_enabled"), False, "error", "Buttons do nothing"),
        (("settings", "socket_mode_enabled"), False, "error", "Socket Mode is off"),
        (("features", "app_home", "messages_tab_enabled"), False, "error", "Nobody can write"),
        (("features", "app_home", "messages_tab_read_only_enabled"), True, "error", "Nobody can write"),
        (("features", "app_home", "home_tab_enabled"), False, "warning", "The home tab is off"),
        (("features", "slash_commands"), [], "warning", "There is no slash command"),
    ],
)
async def test_each_wrong_setting_of_the_app_is_named(
    slack: Slack, app_settings: dict[str, Any], path: tuple[str, ...], value: object, level: str, message: str
) -> None:
    place = app_settings
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    findings = await found(a_setup(slack.server, config_token=slack.server.config_token, app_id="A1"))
    assert any(said.startswith(message) for said in wrong(findings, level))


async def test_without_a_token_for_them_it_says_that_events_cannot_be_seen(slack: Slack) -> None:
    findings = await found(a_setup(slack.server))
    assert ["events" in message for message in wrong(findings, "note")] == [True]
    expired = await found(a_setup(slack.server, config_token="xoxe.xoxp-old", app_id="A1"))
    assert ["settings cannot be read" in message for message in wrong(expired)] == [True]


# --- HTTP ---------------------------------------------------------------------------------------------


async def test_over_http_it_calls_the_bot_as_slack_would(slack_over_http: SlackOverHttp, inbox: Inbox) -> None:
    server = slack_over_http.server
    assert server.caller is not None
    setup = a_setup(server, http=True, app_token=None, signing_secret=SECRET, called_at=server.caller.url)
    adapter = slack_over_http.adapter()
    assert ["does not take messages yet" in message for message in wrong(await found(setup))] == [True]
    async with running(adapter, inbox.receive):
        async with asyncio.timeout(5):
            while not await server.caller.verified():
                await asyncio.sleep(0.01)
        findings = await found(setup)
        assert wrong(findings) == []
        assert any("The bot answers" in finding.message for finding in findings)
        other = a_setup(server, http=True, signing_secret="0" * 32, called_at=server.caller.url)
        assert ["refuses our signature" in message for message in wrong(await found(other))] == [True]
    elsewhere = a_setup(server, http=True, signing_secret=SECRET, called_at=f"{server.url}/api/nothing.here")
    assert ["something else" in message for message in wrong(await found(elsewhere))] == [True]
    assert inbox.tried == []


async def test_over_http_what_is_missing_is_named(slack: Slack, unused_tcp_port: int) -> None:
    nothing = await found(a_setup(slack.server, http=True))
    assert ["SIGNING_SECRET is not set" in message for message in wrong(nothing)] == [True]
    nowhere = await found(a_setup(slack.server, http=True, signing_secret="short"))
    assert ["SIGNING_SECRET" in m or "PUBLIC_URL" in m for m in wrong(nowhere, "warning")] == [True, True]
    away = f"http://127.0.0.1:{unused_tcp_port}/slack/events"
    nobody = await found(a_setup(slack.server, http=True, signing_secret="0" * 32, called_at=away))
    assert ["Nobody answers" in message for message in wrong(nobody)] == [True]


async def test_a_wrong_clock_is_found_because_signatures_would_be_stale(slack: Slack) -> None:
    late = {"http": True, "signing_secret": "0" * 32, "clock": lambda: time.time() - 1000}
    assert any("clock" in message for message in wrong(await found(a_setup(slack.server, **late))))


# --- the command --------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIRSTLINE_DATA", str(tmp_path / "data"))
    return monkeypatch


async def test_the_command_says_it_in_words_and_fails_when_something_is_wrong(
    slack: Slack, settings: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("BOT_TOKEN", slack.server.bot_token),
        ("APP_TOKEN", slack.server.app_token),
        ("API_URL", f"{slack.server.url}/api/"),
    ):
        settings.setenv(f"FIRSTLINE_SLACK_{name}", value)
    good = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "slack", "--channel", "C1"])
    assert good.exit_code == 0, good.output
    assert "ok      The bot is in #hilfe." in good.output
    bad = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "slack", "--channel", "C9", "--format", "json"])
    assert bad.exit_code == 1
    [error] = [finding for finding in json.loads(bad.output) if finding["level"] == "error"]
    assert "C9" in error["message"]
    assert error["remedy"]
    assert slack.server.bot_token not in good.output + bad.output


def test_the_guide_names_every_setting_and_no_other() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "slack.md").read_text()
    named = {name.lower() for name in re.findall(r"FIRSTLINE_([A-Z_]+)", guide)}
    settings = set(Settings.model_fields)
    assert named <= settings
    assert {name for name in settings if name.startswith("slack_")} <= named


async def test_looking_leaves_no_database_behind(slack: Slack, settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.setenv("FIRSTLINE_SLACK_BOT_TOKEN", "xapp-wrong")
    result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "slack"])
    assert result.exit_code == 1
    assert list(tmp_path.rglob("*.db")) == []


async def test_a_channel_of_staff_that_is_as_it_should_be(slack: Slack) -> None:
    slack.server.channels.add("C0DESK")
    slack.server.members["C0DESK"] = ["U7", "U8"]
    slack.server.about["C0DESK"] = {"is_private": True, "name": "support"}
    findings = await found(a_setup(slack.server, staff=["C0DESK"], listed={"U7": "Kim", f"{TEAM}:U8": "Mira"}))
    assert wrong(findings) == wrong(findings, "warning") == []
    assert "The bot is in the channel of staff #support, with 2 others." in [finding.message for finding in findings]


@pytest.mark.parametrize(
    ("about", "level", "message"),
    [
        ({"is_ext_shared": True}, "error", "shared with another organisation"),
        ({"is_pending_ext_shared": True}, "error", "shared with another organisation"),
        ({"is_org_shared": True}, "warning", "shared with other workspaces"),
        ({"is_archived": True}, "error", "is archived"),
        ({"is_member": False}, "error", "The bot is not in the channel of staff"),
        ({"is_private": False}, "note", "is public"),
    ],
)
async def test_what_is_wrong_with_a_channel_of_staff_is_named(
    slack: Slack, about: dict[str, Any], level: str, message: str
) -> None:
    slack.server.channels.add("C0DESK")
    slack.server.members["C0DESK"] = ["U7"]
    slack.server.about["C0DESK"] = {"is_private": True} | about
    findings = await found(a_setup(slack.server, staff=["C0DESK"]))
    assert any(message in each for each in wrong(findings, level))


async def test_staff_who_are_not_there_and_a_channel_that_is_not_are_named(slack: Slack) -> None:
    slack.server.channels.add("C0DESK")
    findings = await found(a_setup(slack.server, staff=["C0DESK", "C404"], listed={"U7": "Kim"}))
    assert [m for m in wrong(findings, "warning") if "scope" not in m] == [
        "Kim is on the list of staff, but not in #hilfe.",
        "Nobody but the bot is in #hilfe.",
    ]
    assert any("C404 cannot be seen" in message for message in wrong(findings))
