"""Looks at a Slack app from outside and names what is missing, in words and with the remedy. It changes nothing and sends nothing.

It must not know where the settings come from, nor how findings are shown.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.doctor_staff import staff_channel
from adapters.slack.elements import channel_of
from adapters.slack.errors import error_code
from adapters.slack.webhook import STALE
from bot.model import Finding, Severity

MANIFEST = Path(__file__).with_name("slack_manifest.yaml")
TIMEOUT = 10

_PAGES = "https://api.slack.com/apps, your app"
_FOR: Mapping[str, str] = {
    "app_mentions:read": "mentions in channels do not arrive",
    "channels:history": "what is said in the threads of public channels does not arrive",
    "channels:read": "whether the bot is in a channel cannot be seen",
    "chat:write": "nothing can be answered",
    "commands": "the slash command does not exist",
    "files:read": "files of customers cannot be fetched",
    "files:write": "files cannot be sent to customers",
    "groups:history": "what is said in the threads of private channels does not arrive",
    "groups:read": "whether the bot is in a private channel cannot be seen",
    "im:history": "direct messages do not arrive",
    "im:write": "commands and buttons of the home tab cannot be answered directly",
    "mpim:history": "group chats do not arrive",
    "reactions:write": "staff see no tick on what they have answered",
    "users:read": "staff see ids instead of names",
}
_ESSENTIAL = frozenset({"app_mentions:read", "chat:write", "im:history"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """``channels`` are those that the bot should be in, ``staff`` those in which staff work; ``listed`` is who is of staff by the
    list, id and name. ``called_at`` is where Slack calls the bot, where it does.

    With ``config_token`` and ``app_id`` the app's own settings can be read.
    """

    bot_token: str | None
    app_token: str | None = None
    signing_secret: str | None = None
    http: bool = False
    called_at: str | None = None
    channels: Sequence[str] = ()
    staff: Sequence[str] = ()
    listed: Mapping[str, str] = field(default_factory=dict)
    config_token: str | None = None
    app_id: str | None = None
    base_url: str = AsyncWebClient.BASE_URL
    clock: Callable[[], float] = time.time


def manifest() -> Mapping[str, Any]:
    """What an app is made from."""
    loaded: Mapping[str, Any] = yaml.safe_load(MANIFEST.read_text())
    return loaded


async def diagnose(setup: Setup) -> AsyncIterator[Finding]:
    """The findings, each as soon as it is made."""
    if not setup.bot_token:
        yield _error(
            "FIRSTLINE_SLACK_BOT_TOKEN is not set.", "It stands under OAuth & Permissions once the app is installed."
        )
        return
    client = AsyncWebClient(setup.bot_token, setup.base_url, timeout=TIMEOUT, retry_handlers=[])
    async for finding in _bot(setup, client):
        yield finding
        if finding.level == "error" and "token" in finding.message:
            return  # all that follows would fail for the same reason
    if setup.http:
        async for finding in _web(setup):
            yield finding
    else:
        yield await _socket(setup, client)
    for channel in setup.channels:
        yield await _channel(client, channel)
    for channel in setup.staff:
        async for finding in staff_channel(client, channel, setup.listed):
            yield finding
    async for finding in _settings(setup, client):
        yield finding


async def _bot(setup: Setup, client: AsyncWebClient) -> AsyncIterator[Finding]:
    token = setup.bot_token or ""
    if not token.startswith("xoxb-"):
        kind = {"xapp": "an app-level token", "xoxp": "a user's token", "xoxe": "a token for configuration"}
        message = f"FIRSTLINE_SLACK_BOT_TOKEN is {kind.get(token[:4], 'no token')}, not a bot token."
        yield _error(message, "The bot token begins with xoxb- and stands under OAuth & Permissions.")
        return
    try:
        answer = await client.auth_test()
    except Exception as error:
        yield _refused(
            "The bot token is not accepted", error, "Install the app anew and copy the bot token from there."
        )
        return
    yield Finding("ok", f"The bot token works: {answer.get('user')} in {answer.get('team')} ({answer.get('team_id')}).")
    headers = {str(k).lower(): v for k, v in answer.headers.items()}
    granted = {scope.strip() for scope in str(headers.get("x-oauth-scopes", "")).split(",")}
    missing = [scope for scope in manifest()["oauth_config"]["scopes"]["bot"] if scope not in granted]
    for scope in missing:
        remedy = f"Add it under OAuth & Permissions ({_PAGES}) and install the app anew."
        yield Finding(
            "error" if scope in _ESSENTIAL else "warning", f"The scope {scope} is missing: {_FOR[scope]}.", remedy
        )
    if not missing:
        yield Finding("ok", "No scope is missing.")
    if "date" in headers and (skew := _skew(str(headers["date"]), setup.clock())) > STALE / 2:
        message = f"The clock of this machine differs from Slack's by {skew:.0f} seconds."
        yield Finding(
            "error" if setup.http else "warning", message, "Let it be set by NTP; signatures count for 5 minutes."
        )


async def _socket(setup: Setup, client: AsyncWebClient) -> Finding:
    token = setup.app_token or ""
    remedy = "Make one under Basic Information, App-Level Tokens, with the scope connections:write."
    if not token:
        return _error("FIRSTLINE_SLACK_APP_TOKEN is not set, and Socket Mode needs it.", remedy)
    if not token.startswith("xapp-"):
        return _error("FIRSTLINE_SLACK_APP_TOKEN is no app-level token: that begins with xapp-.", remedy)
    try:
        await client.apps_connections_open(app_token=token)
    except Exception as error:
        code = error_code(error) if isinstance(error, SlackApiError) else None
        if code in ("invalid_auth", "not_allowed_token_type", "missing_scope", "token_revoked", "not_authed"):
            return _refused("The app-level token is not accepted", error, remedy)
        return _refused("No socket can be opened", error, f"Switch Socket Mode on ({_PAGES}, Socket Mode).")
    return Finding("ok", "Socket Mode works.")


async def _web(setup: Setup) -> AsyncIterator[Finding]:
    where = f"It stands under Basic Information, App Credentials ({_PAGES})."
    secret = setup.signing_secret or ""
    if not secret:
        yield _error("FIRSTLINE_SLACK_SIGNING_SECRET is not set, and HTTP needs it.", where)
        return
    if not re.fullmatch(r"[0-9a-f]{32}", secret):
        yield Finding("warning", "FIRSTLINE_SLACK_SIGNING_SECRET does not look like one: 32 digits 0-9 a-f.", where)
    if not setup.called_at:
        yield Finding(
            "warning",
            "FIRSTLINE_PUBLIC_URL is not set, so it is not known where Slack calls.",
            "Set it to the address of the web server as Slack sees it, such as https://helpdesk.example.com.",
        )
        return
    body = json.dumps({"type": "url_verification", "token": "doctor", "challenge": "firstline"})
    stamp = str(int(setup.clock()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body) or ""
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature, "Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session,
            session.post(setup.called_at, data=body, headers=headers) as answer,
        ):
            status, text = answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        yield _refused(
            f"Nobody answers at {setup.called_at}", error, "Start `firstline run`, and look at what stands before it."
        )
        return
    if status == 200 and "firstline" in text:
        yield Finding("ok", f"The bot answers at {setup.called_at}; enter that as the request URL in all three places.")
    elif status == 401:
        remedy = "The running bot has another FIRSTLINE_SLACK_SIGNING_SECRET, or its clock is wrong."
        yield _error(f"The bot at {setup.called_at} refuses our signature.", remedy)
    elif status == 503:
        yield _error(f"The bot at {setup.called_at} does not take messages yet.", "Look at its log.")
    else:
        message = f"At {setup.called_at} something else than the bot answers: status {status}."
        yield _error(message, "Let it pass on /slack/events to FIRSTLINE_WEB_HOST and FIRSTLINE_WEB_PORT.")


async def _channel(client: AsyncWebClient, channel: str) -> Finding:
    try:
        answer = await client.conversations_info(channel=channel_of(channel))
    except Exception as error:
        remedy = (
            "Invite the bot there; a private channel is invisible until then. The id stands in the channel's details."
        )
        return _refused(f"The channel {channel} cannot be seen", error, remedy)
    found = answer["channel"]
    name = f"#{found.get('name') or channel}"
    if found.get("is_member") or found.get("is_im"):
        return Finding("ok", f"The bot is in {name}.")
    return _error(f"The bot is not in {name}.", f"Write there: /invite @ and the bot's name. ({channel})")


async def _settings(setup: Setup, client: AsyncWebClient) -> AsyncIterator[Finding]:
    if not (setup.config_token and setup.app_id):
        yield Finding(
            "note",
            "Which events the app is subscribed to cannot be seen with its own tokens.",
            "An app made from slack_manifest.yaml has them all. To have it checked, set FIRSTLINE_SLACK_APP_ID and "
            "FIRSTLINE_SLACK_CONFIG_TOKEN (https://api.slack.com/apps, Your App Configuration Tokens).",
        )
        return
    try:
        answer = await client.apps_manifest_export(app_id=setup.app_id, token=setup.config_token)
    except Exception as error:
        yield _refused("The app's settings cannot be read", error, "Such a token lasts 12 hours; make a new one.")
        return
    shipped, found = manifest(), answer["manifest"]
    if isinstance(found, str):
        found = json.loads(found)
    wrong = [*_differences(shipped, found, http=setup.http)]
    for finding in wrong:
        yield finding
    if not wrong:
        yield Finding("ok", "The app's settings are as they should be.")


def _differences(shipped: Mapping[str, Any], found: Mapping[str, Any], *, http: bool) -> Sequence[Finding]:
    wrong = []
    subscribed = _at(found, "settings", "event_subscriptions", "bot_events") or ()
    for event in _at(shipped, "settings", "event_subscriptions", "bot_events"):
        if event not in subscribed:
            level: Severity = "error" if event in ("message.im", "app_mention") else "warning"
            wrong.append(
                Finding(level, f"The event {event} is not subscribed to.", "Add it under Event Subscriptions.")
            )
    if not _at(found, "settings", "interactivity", "is_enabled"):
        wrong.append(
            _error("Buttons do nothing: interactivity is off.", "Switch it on under Interactivity & Shortcuts.")
        )
    if bool(_at(found, "settings", "socket_mode_enabled")) == http:
        wrong.append(
            _error(
                "Socket Mode is on, but the bot waits to be called." if http else "Socket Mode is off.",
                "Change FIRSTLINE_SLACK_MODE, or the app under Socket Mode.",
            )
        )
    if not _at(found, "features", "app_home", "messages_tab_enabled") or _at(
        found, "features", "app_home", "messages_tab_read_only_enabled"
    ):
        remedy = "Allow messages under App Home, Messages Tab."
        wrong.append(_error("Nobody can write to the bot directly: the messages tab is off or read-only.", remedy))
    if not _at(found, "features", "app_home", "home_tab_enabled"):
        wrong.append(Finding("warning", "The home tab is off.", "Switch it on under App Home."))
    if not _at(found, "features", "slash_commands"):
        wrong.append(Finding("warning", "There is no slash command.", "Add /firstline under Slash Commands."))
    return wrong


def _at(thing: Any, *keys: str) -> Any:
    for key in keys:
        thing = thing.get(key) if isinstance(thing, Mapping) else None
    return thing


def _skew(date: str, now: float) -> float:
    try:
        return abs((parsedate_to_datetime(date) - datetime.fromtimestamp(now, UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _error(message: str, remedy: str) -> Finding:
    return Finding("error", message, remedy)


def _refused(message: str, error: Exception, remedy: str) -> Finding:
    code = error_code(error) if isinstance(error, SlackApiError) else None
    if code is None and not isinstance(error, SlackApiError):
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        return _error(
            f"{message}, because Slack or the address cannot be reached ({reason}).", f"Is there a way out? {remedy}"
        )
    return _error(f"{message}: Slack says {code or 'nothing readable'}.", remedy)
