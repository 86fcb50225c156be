"""Where Telegram calls: only Telegram is heard, and what could not be received is brought again. The rest is in the contract."""

from __future__ import annotations

import json

import httpx
import pytest

from adapters.telegram.webhook import LONGEST, secret_of
from bot.errors import SettingsError
from tests.adapters.platforms import Inbox, running, until
from tests.adapters.telegram_platform import CalledTelegram, Telegram
from tests.loopback.faults import Fault

HEADER = "X-Telegram-Bot-Api-Secret-Token"


async def call(telegram: CalledTelegram, body: bytes, headers: dict[str, str]) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.post(f"{telegram.local}/telegram", content=body, headers=headers)).status_code


@pytest.mark.parametrize("secret", [None, "", "wrong", "é", "x" * 300])
async def test_a_wrong_or_missing_secret_is_refused(called: CalledTelegram, inbox: Inbox, secret: str | None) -> None:
    forged = json.dumps({"update_id": 1, "message": called.message("Ich bin Telegram", 9)}).encode()
    async with running(called.adapter(), inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
        async with httpx.AsyncClient() as client:
            headers = httpx.Headers([] if secret is None else [(HEADER.encode(), secret.encode())])
            answer = await client.post(f"{called.local}/telegram", content=forged, headers=headers)
    assert answer.status_code == 403
    assert inbox.tried == []


async def test_the_secret_is_the_same_for_all_processes_and_tells_nothing_about_the_token(
    called: CalledTelegram, inbox: Inbox
) -> None:
    async with running(called.adapter(), inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
    token = called.server.token
    assert called.server.webhook.secret == secret_of(token) != secret_of(token + "x")
    assert token not in called.server.webhook.secret
    assert called.server.webhook.url == "https://bot.example.com/telegram"


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"update_id": "x"}'])
async def test_what_is_no_update_is_not_asked_for_again(called: CalledTelegram, inbox: Inbox, body: bytes) -> None:
    async with running(called.adapter(), inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
        assert await call(called, body, {HEADER: secret_of(called.server.token)}) == 200
        await called.say("Hallo")
        await inbox.has(1)


async def test_what_is_far_too_long_is_not_even_read(called: CalledTelegram, inbox: Inbox) -> None:
    async with running(called.adapter(), inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
        assert await call(called, b" " * (LONGEST + 1), {HEADER: secret_of(called.server.token)}) == 413


async def test_a_bot_that_has_not_begun_or_has_ended_asks_to_be_called_later(
    called: CalledTelegram, inbox: Inbox
) -> None:
    adapter = called.adapter()
    secret = {HEADER: secret_of(called.server.token)}
    update = json.dumps({"update_id": 1, "message": called.message("Hallo", 9)}).encode()
    assert await call(called, update, secret) == 503
    async with running(adapter, inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
        assert await call(called, update, secret) == 200
    assert await call(called, update, secret) == 503
    assert [message.text for message in inbox.arrived] == ["Hallo"]


async def test_what_could_not_be_received_is_answered_with_a_failure_and_brought_again(
    called: CalledTelegram, inbox: Inbox
) -> None:
    inbox.fail = 2
    async with running(called.adapter(), inbox.receive):
        await called.say("Hallo")
        await inbox.has(1)
        await called.settled()
    assert called.server.webhook.answers == [500, 500, 200]


async def test_an_address_that_telegram_will_not_call_is_a_wrong_setting(called: CalledTelegram, inbox: Inbox) -> None:
    adapter = called.adapter(webhook="http://bot.example.com/telegram")
    with pytest.raises(SettingsError, match=r"https url.*FIRSTLINE_PUBLIC_URL"):
        await adapter.run(inbox.receive)
    await adapter.close()


async def test_who_fetches_after_having_been_called_gets_what_was_not_brought(telegram: Telegram, inbox: Inbox) -> None:
    telegram.server.webhook.url = "https://old.example.com/telegram"
    telegram.server.webhook.reach["old.example.com"] = "http://127.0.0.1:9"
    await telegram.say("Hallo")
    async with running(telegram.adapter(), inbox.receive):
        await inbox.has(1)
    assert telegram.server.webhook.url == ""


async def test_a_failed_setting_of_the_address_is_tried_again(called: CalledTelegram, inbox: Inbox) -> None:
    called.server.fail("setWebhook", Fault(status=502, html=True))
    called.server.fail("setWebhook", Fault(drop=True))
    async with running(called.adapter(), inbox.receive):
        await called.say("Hallo")
        await inbox.has(1)
