"""Slack over HTTP: only what Slack has signed just now is taken, and 200 means that it is durable."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from adapters.slack.app import app
from adapters.slack.webhook import LONGEST, Webhook
from bot.errors import DatabaseError
from tests.adapters.platforms import Inbox, running
from tests.adapters.slack_platform import SlackOverHttp
from tests.loopback.slack import BOT_USER, TEAM
from tests.loopback.slack_http import PAUSES, SECRET, Caller, FakeTime, Reply

EVENT: dict[str, Any] = {
    "type": "event_callback",
    "team_id": TEAM,
    "event_id": "Ev1",
    "event": {
        "type": "message",
        "channel": "D1",
        "channel_type": "im",
        "user": "U5",
        "team": TEAM,
        "text": "Der Export hängt",
        "ts": "1700000000.000001",
    },
}


@pytest.fixture
async def caller(slack_over_http: SlackOverHttp, inbox: Inbox) -> AsyncIterator[Caller]:
    """Slack, once the app answers."""
    caller = slack_over_http.server.caller
    assert caller is not None
    async with running(slack_over_http.adapter(), inbox.receive):
        async with asyncio.timeout(5):
            while not await caller.verified():
                await asyncio.sleep(0.01)
        caller.replies.clear()
        yield caller


async def _post(caller: Caller, body: bytes, **headers: str) -> Reply:
    return await caller.post(body, {name.replace("_", "-"): value for name, value in headers.items()})


async def test_a_signed_event_is_taken(caller: Caller, inbox: Inbox) -> None:
    assert await caller.deliver(EVENT) == 0
    assert [message.text for message in inbox.arrived] == ["Der Export hängt"]


async def test_what_slack_did_not_sign_just_now_is_refused(caller: Caller, inbox: Inbox) -> None:
    body = json.dumps(EVENT).encode()
    now = int(caller.clock())
    good = caller.signed(body)
    forged = [
        {},
        {"X-Slack-Request-Timestamp": str(now)},
        {"X-Slack-Signature": good["X-Slack-Signature"]},
        caller.signed(body, secret="of another app"),
        {**good, "X-Slack-Signature": "v0="},
        {**good, "X-Slack-Signature": good["X-Slack-Signature"].removeprefix("v0=")},
        {**good, "X-Slack-Signature": good["X-Slack-Signature"].upper()},
        {**good, "X-Slack-Signature": "ü" * 67},
        {**good, "X-Slack-Request-Timestamp": str(now + 1)},
    ]
    stale = [caller.signed(body, str(now + by)) for by in (-302, -100_000, 310, 10**11)]
    odd = ["", " ", "now", "-1", "1e9", "1_700", "1.5", "٣", "²", "NaN", "9" * 400, f"{now} "]
    nonsense = [caller.signed(body, stamp) for stamp in odd]
    for headers in [
        *forged,
        *stale,
        *[{**h, "X-Slack-Request-Timestamp": s} for h, s in zip(nonsense, odd, strict=True)],
    ]:
        try:
            reply = await caller.post(body, headers)
        except (ValueError, aiohttp.ClientError):  # no header can say that, so nothing was sent
            continue
        assert (reply.status, json.loads(reply.body)) == (401, {"error": "invalid request"}), headers
    altered = await caller.post(body.replace(b"Export", b"Import"), good)
    assert altered.status == 401
    assert inbox.tried == []


@pytest.mark.parametrize("kind", ["interactive", "slash_commands"])
async def test_a_press_or_a_command_that_slack_did_not_sign_just_now_does_nothing(
    caller: Caller, inbox: Inbox, slack_over_http: SlackOverHttp, kind: str
) -> None:
    press = slack_over_http.pressed("D1", "1700000000.000001", "staff:resolve:1", user="U5")
    command = {"command": "/firstline", "user_id": "U5", "trigger_id": "1.2", "text": "person", "channel_id": "C1"}
    content_type, body = caller.encoded(press if kind == "interactive" else command, kind)
    now = int(caller.clock())
    good = caller.signed(body)
    refused = [
        {},
        caller.signed(body, secret="of another app"),
        {**good, "X-Slack-Request-Timestamp": str(now + 1)},
        caller.signed(body, str(now - 301)),
        caller.signed(body + b"&x=1"),
    ]
    for headers in refused:
        assert (await caller.post(body, headers, content_type)).status == 401
    assert (await caller.post(body.replace(b"U5", b"U7"), good, content_type)).status == 401
    assert inbox.tried == []
    assert [(await caller.post(body, good, content_type)).status for _ in range(2)] == [200, 401]
    assert len(inbox.arrived) == 1


async def test_a_request_that_was_answered_is_no_good_a_second_time(caller: Caller, inbox: Inbox) -> None:
    body = json.dumps(EVENT).encode()
    signed = caller.signed(body)
    assert [(await caller.post(body, signed)).status for _ in range(3)] == [200, 401, 401]
    assert len(inbox.arrived) == 1


async def test_what_could_not_be_stored_may_come_again_with_the_same_signature(caller: Caller, inbox: Inbox) -> None:
    inbox.fail = 1
    body = json.dumps(EVENT).encode()
    signed = caller.signed(body)
    assert [(await caller.post(body, signed)).status for _ in range(2)] == [503, 200]
    assert len(inbox.arrived) == 1


async def test_nothing_of_a_forged_request_is_logged(
    caller: Caller, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await caller.post(json.dumps(EVENT).encode(), caller.signed(b"something else"))
    assert "Export" not in caplog.text


@pytest.mark.parametrize("body", [b"", b"[1]", b"null", b"{", b"\xff\xfe", b"payload=%7B", b"a=b", b'{"type": 3}'])
async def test_a_signed_request_that_cannot_be_read_is_answered_and_harms_nothing(
    caller: Caller, inbox: Inbox, body: bytes
) -> None:
    reply = await caller.post(body, caller.signed(body))
    assert reply.status in (200, 401)
    assert await caller.deliver(EVENT) == 0
    assert len(inbox.arrived) == 1


async def test_a_body_of_any_length_is_not_read(caller: Caller) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LONGEST // 1000 + 2):
            yield b" " * 1000

    reply = await caller.post(endless(), caller.signed(b""))
    assert reply.status == 413


async def test_slack_tries_again_at_once_after_a_minute_and_after_five(inbox: Inbox) -> None:
    """With a clock that jumps: each try is signed anew, so the last is not stale though the first would be."""
    time = FakeTime()
    webhook = Webhook(SECRET, time)
    tried: list[str] = []

    async def take(payload: Any) -> None:
        tried.append(payload["event_id"])
        if len(tried) < 4:
            raise DatabaseError

    webhook.app = app(_no_client(), take)
    caller = Caller("", clock=time, sleep=time.sleep)

    async def post(body: Any, headers: Mapping[str, str], content_type: str = "application/json") -> Reply:
        names = {name.lower(): value for name, value in headers.items()}
        answer = await webhook.answer({**names, "content-type": content_type}, body)
        return Reply(answer.status, answer.body, {})

    caller.post = post  # type: ignore[method-assign] # no need of a network for this
    assert await caller.deliver(EVENT) == 3
    assert tried == ["Ev1"] * 4
    assert tuple(time.slept) == PAUSES


async def test_without_a_running_adapter_slack_is_told_to_come_again(slack_over_http: SlackOverHttp) -> None:
    slack_over_http.adapter()
    caller = slack_over_http.server.caller
    assert caller is not None
    body = json.dumps(EVENT).encode()
    assert (await caller.post(body, caller.signed(body))).status == 503


async def test_a_command_is_answered_at_once_and_its_words_arrive(
    slack_over_http: SlackOverHttp, caller: Caller, inbox: Inbox
) -> None:
    await slack_over_http.command("Der Drucker & <raucht>")
    [message] = await inbox.has(1)
    await slack_over_http.settled()
    assert (message.text, message.chat.chat_id, message.action) == ("Der Drucker & <raucht>", f"{TEAM}:D5", None)
    assert json.loads(caller.replies[-1].body) == {
        "response_type": "ephemeral",
        "text": f":arrow_right: <@{BOT_USER}>",
    }


async def test_ten_thousand_malformed_payloads_leave_nothing_behind(inbox: Inbox) -> None:
    """Signed, as if Slack itself had gone mad: none is answered with an error, and a good one afterwards is taken."""
    dice = random.Random(20261126)
    time = FakeTime()
    webhook = Webhook(SECRET, time)
    taken: list[Any] = []

    async def take(payload: Any) -> None:
        taken.append(payload)

    webhook.app = app(_no_client(), take)
    caller = Caller("", clock=time)
    for _ in range(10_000):
        time.now += 0.5
        body = _mad(dice)
        headers = {name.lower(): value for name, value in caller.signed(body).items()}
        headers["content-type"] = dice.choice(
            ["application/json", "application/x-www-form-urlencoded", "text/plain", ""]
        )
        answer = await webhook.answer(headers, body)
        assert answer.status in (200, 401), body  # 401: no text, or the very same request as before
    taken.clear()
    body = json.dumps(EVENT).encode()
    headers = {name.lower(): value for name, value in caller.signed(body).items()}
    assert (await webhook.answer(headers, body)).status == 200
    assert taken == [EVENT]


def _no_client() -> Any:
    from slack_sdk.web.async_client import AsyncWebClient

    return AsyncWebClient("xoxb-none", "http://127.0.0.1:9/api/")


def _mad(dice: random.Random) -> bytes:
    whole = json.dumps(EVENT).encode()
    match dice.randrange(5):
        case 0:
            return dice.randbytes(dice.randrange(200))
        case 1:
            return whole[: dice.randrange(len(whole))]
        case 2:
            place = dice.randrange(len(whole))
            return whole[:place] + dice.randbytes(1) + whole[place + 1 :]
        case 3:
            return b"payload=" + whole[dice.randrange(len(whole)) :]
        case _:
            junk: Any = dice.choice(
                [None, True, 10**30, "", [], [[]], {"id": {}}, "\ud800", {"team": 1, "enterprise": []}]
            )
            return json.dumps(
                {dice.choice(["type", "event", "team", "authorizations", "view", "enterprise"]): junk}
            ).encode()
