"""Every address that can be called, by somebody who means harm: the answer tells nothing, and who means well still gets in."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from adapters.telegram.webhook import secret_of
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from tests.adapters.platforms import Inbox, running, until
from tests.adapters.slack_platform import SlackOverHttp
from tests.adapters.telegram_platform import CalledTelegram
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, FakeClassifier, a_message
from tests.ports import free_port

MANY = 10 << 20


async def raw(url: str, *pieces: bytes, within: float = 5.0) -> bytes:
    """Whatever is answered to these bytes; nothing where the connection is closed."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(within):
            return await reader.read(1 << 16)
    except (ConnectionError, TimeoutError):
        return b""
    finally:
        writer.close()


def request(path: str, *headers: str, method: str = "POST", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: bot.example.com", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(size: int) -> list[bytes]:
    piece = b" " * 65536
    return [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for _ in range(size // len(piece))] + [b"0\r\n\r\n"]


def abuse(path: str, *auth: str) -> dict[str, list[bytes]]:
    """By name, what is sent in one connection; ``auth``: headers that would let it in."""
    json_ = (*auth, "Content-Type: application/json")
    return {
        "GET": [request(path, method="GET")],
        "PUT": [request(path, method="PUT")],
        "TRACE": [request(path, *auth, method="TRACE")],
        "an unknown method": [request(path, method="PWN")],
        "no secret": [request(path, "Content-Length: 2", body=b"{}")],
        "ten megabytes": [request(path, *json_, f"Content-Length: {MANY}"), *[b" " * 65536] * (MANY // 65536)],
        "ten megabytes without a length": [request(path, *json_, "Transfer-Encoding: chunked"), *chunked(MANY)],
        "two lengths": [request(path, *json_, "Content-Length: 2", "Content-Length: 20", body=b"{}")],
        "length and chunks": [
            request(path, *json_, "Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
        ],
        "a length below nothing": [request(path, *json_, "Content-Length: -1")],
        "a header of a megabyte": [request(path, *json_, "X-Long: " + "a" * (1 << 20))],
        "ten thousand headers": [request(path, *json_, *(f"X-{n}: 1" for n in range(10_000)))],
        "a folded header": [request(path, *json_, "X-A: b\r\n Content-Length: 9")],
        "NUL in a header": [request(path, *json_, "X-A: \x00")],
        "a path that climbs": [request(f"{path}/../../etc/passwd", method="GET")],
        "a path of 100,000": [request(path + "a" * 100_000)],
        "no HTTP": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 100],
        "half a request": [request(path, *json_, "Content-Length: 500", body=b'{"update_id"')[:-3]],
        "an unknown encoding": [request(path, *json_, "Content-Encoding: gzip", "Content-Length: 2", body=b"{}")],
        "an odd type": [request(path, *auth, "Content-Type: multipart/form-data", "Content-Length: 2", body=b"{}")],
    }


NAMES = list(abuse("/", ""))
TELLS = ("Traceback", 'File "', "starlette", "uvicorn", "token", "signature", "secret", "/tmp", "python")


def tells_nothing(answer: bytes) -> bool:
    text = answer.decode("latin-1").lower()
    return not any(word.lower() in text for word in TELLS)


@pytest.mark.parametrize("name", NAMES)
async def test_telegrams_door_stands_it(called: CalledTelegram, inbox: Inbox, name: str) -> None:
    async with running(called.adapter(), inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
        secret = f"X-Telegram-Bot-Api-Secret-Token: {secret_of(called.server.token)}"
        answer = await raw(called.local, *abuse("/telegram", secret)[name], within=1)
        assert tells_nothing(answer)
        assert not answer.startswith(b"HTTP/1.1 500")
        await called.say("Hallo")
        [message] = await inbox.has(1)
    assert message.text == "Hallo"
    assert len(inbox.tried) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_slacks_door_stands_it(slack_over_http: SlackOverHttp, inbox: Inbox, name: str) -> None:
    caller = slack_over_http.server.caller
    assert caller is not None
    async with running(slack_over_http.adapter(), inbox.receive):
        auth = [f"{key}: {value}" for key, value in caller.signed(b"{}").items()]
        answer = await raw(caller.url, *abuse("/slack/events", *auth)[name], within=1)
        assert tells_nothing(answer)
        assert not answer.startswith(b"HTTP/1.1 500")
        await slack_over_http.say("Hallo")
        [message] = await inbox.has(1)
    assert message.text == "Hallo"
    assert len(inbox.tried) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_the_door_of_operations_stands_it(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, name: str
) -> None:
    """It listens on an address of its own, but a door it is. What is asked of it there is said in its own words only."""
    port = free_port()
    settings = Settings(data=tmp_path, database_url=database.url, burst_seconds=0, operations_port=port)
    adapter = FakeAdapter()
    async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app:
        task = asyncio.create_task(app.run(tmp_path / "heartbeat"))
        try:
            await until(lambda: app.status.working)
            for path in ("/healthz", "/readyz", "/metrics"):
                answer = await raw(f"http://127.0.0.1:{port}", *abuse(path)[name], within=1)
                assert not answer.startswith(b"HTTP/1.1 500")
                words = answer.partition(b"\r\n\r\n")[2].decode("latin-1")
                assert not any(word in words for word in ("Traceback", 'File "', "/tmp", settings.data.name)), words
            async with httpx.AsyncClient() as client:
                ready = await client.get(f"http://127.0.0.1:{port}/readyz")
            assert ready.json() == {"ready": True, "missing": {}}
            await app.receiver(a_message("Hallo"))
            await until(lambda: bool(adapter.sent))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


BODIES = [
    b'{"type": "event_callback", "event": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"[" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b"payload=" + b"[" * 100_000,
    b'{"type": "event_callback", "event": {"type": "message", "text": "\\ud800\\u0000"}}',
    b'{"type": "event_callback", "event_id": "\xff\xfe"}',
    b'{"update_id": ' + b"9" * 5000 + b"}",
    b'{"update_id": 1e999, "message": NaN}',
    b"\x00" * 100_000,
    b"payload=" + b"%00" * 1000,
    b"&" * 100_000,
    b"a=" * 100_000,
]


async def test_slack_is_not_asked_to_bring_again_what_cannot_be_read(
    slack_over_http: SlackOverHttp, inbox: Inbox
) -> None:
    caller = slack_over_http.server.caller
    assert caller is not None
    caller.within = 10
    async with running(slack_over_http.adapter(), inbox.receive):
        async with asyncio.timeout(10):
            while not await caller.verified():
                await asyncio.sleep(0.01)
        for body in BODIES:
            for kind in ("application/json", "application/x-www-form-urlencoded"):
                reply = await caller.post(body, caller.signed(body), kind)
                assert reply.status in (200, 401), body[:60]  # 401: it is no text, or the same as before
        await slack_over_http.say("Hallo")
        [message] = await inbox.has(1)
    assert message.text == "Hallo"


async def test_telegram_is_not_asked_to_bring_again_what_cannot_be_read(called: CalledTelegram, inbox: Inbox) -> None:
    async with running(called.adapter(), inbox.receive):
        await until(lambda: bool(called.server.webhook.url))
        secret = f"X-Telegram-Bot-Api-Secret-Token: {secret_of(called.server.token)}"
        for body in BODIES:
            sent = request("/telegram", secret, f"Content-Length: {len(body)}", "Connection: close", body=body)
            assert (await raw(called.local, sent)).startswith(b"HTTP/1.1 200"), body[:60]
        await called.say("Hallo")
        await inbox.has(1)
    assert json.dumps([message.text for message in inbox.arrived]) == '["Hallo"]'
