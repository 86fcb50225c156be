"""What is known of a call to Telegram that failed, by how far it came; and that no word of it shows where it went."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from telegram.error import NetworkError, TelegramError, TimedOut

from adapters.telegram.client import Client
from adapters.telegram.errors import translate
from adapters.telegram.transport import UnsentError
from tests.loopback.raw import Reader, Writer, a_server

TOKEN = "42:canary-of-the-telegram-bot-0123456789"
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{"ok": true, "result": 17}'


async def answer(request: bytes, reader: Reader, writer: Writer) -> None:
    writer.write(OK)


async def hang(request: bytes, reader: Reader, writer: Writer) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def a_client(address: str, within: float = 2.0) -> AsyncIterator[Client]:
    client = Client(TOKEN, f"{address}/bot", f"{address}/file/bot", within)
    try:
        yield client
    finally:
        await client.close()


async def failure_of(call: Awaitable[object]) -> TelegramError:
    with pytest.raises(TelegramError) as caught:
        await call
    chain: BaseException | None = caught.value
    while chain is not None and not isinstance(chain, asyncio.CancelledError):
        assert TOKEN not in str(chain)
        chain = chain.__cause__
    return caught.value


def sent(client: Client) -> Awaitable[object]:
    return client.call("sendMessage", {"chat_id": 1, "text": "Guten Tag"})


def sent_file(client: Client) -> Awaitable[object]:
    return client.upload("sendDocument", {"chat_id": 1}, "document", "a.txt", b"text")


WAYS = pytest.mark.parametrize("way", [sent, sent_file])
Way = Callable[[Client], Awaitable[object]]


@WAYS
async def test_where_nobody_listens_nothing_was_sent(way: Way, unused_tcp_port: int) -> None:
    async with a_client(f"http://127.0.0.1:{unused_tcp_port}") as client:
        failure = await failure_of(way(client))
    assert isinstance(failure, UnsentError)
    assert not translate(failure).uncertain


@WAYS
async def test_to_whoever_cannot_prove_who_it_is_nothing_was_sent(way: Way) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    asked: list[bytes] = []

    async def note(request: bytes, reader: Reader, writer: Writer) -> None:
        asked.append(request)

    async with a_server(note, context) as address, a_client(f"https://{address}") as client:
        assert isinstance(await failure_of(way(client)), UnsentError)
    assert asked == []


@WAYS
async def test_where_a_proxy_lets_nobody_through_nothing_was_sent(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def refuse(request: bytes, reader: Reader, writer: Writer) -> None:
        asked.append(request)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    async with a_server(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:word@{proxy}")
        async with a_client("https://api.example.com") as client:
            failure = await failure_of(way(client))
    assert isinstance(failure, UnsentError)
    assert "word" not in str(failure)
    assert asked[0].startswith(b"CONNECT api.example.com:443 ")
    assert b"\r\nproxy-authorization: basic ywrhondvcmq=\r\n" in asked[0].lower()


@WAYS
async def test_no_connection_in_time_and_nothing_was_sent(way: Way) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with a_server(hang) as address, a_client(f"https://{address}", within=0.2) as client:  # it never greets
        assert isinstance(await failure_of(way(client)), UnsentError)


async def test_no_room_in_time_and_nothing_was_sent() -> None:
    async with a_server(hang) as address, a_client(f"http://{address}", within=0.2) as client:
        polling = asyncio.create_task(client.updates(0, ("message",), 60))
        await asyncio.sleep(0.05)
        assert isinstance(await failure_of(client.updates(0, ("message",), 60)), UnsentError)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)


@WAYS
async def test_without_an_answer_nobody_knows(way: Way) -> None:
    async with a_server(hang) as address, a_client(f"http://{address}", within=0.2) as client:
        failure = await failure_of(way(client))
    assert isinstance(failure, TimedOut)
    assert not isinstance(failure, UnsentError)
    assert translate(failure).uncertain


@WAYS
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", b"nonsense\r\n\r\n"])
async def test_with_half_an_answer_nobody_knows(way: Way, said: bytes) -> None:
    async def break_off(request: bytes, reader: Reader, writer: Writer) -> None:
        writer.write(said)
        raise ConnectionError

    async with a_server(break_off) as address, a_client(f"http://{address}") as client:
        failure = await failure_of(way(client))
    assert isinstance(failure, NetworkError)
    assert not isinstance(failure, UnsentError)
    assert translate(failure).uncertain


@WAYS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(way: Way, status: int) -> None:
    asked: list[bytes] = []

    async def redirect(request: bytes, reader: Reader, writer: Writer) -> None:
        asked.append(request)
        writer.write(f"HTTP/1.1 {status} Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode())

    async with a_server(redirect) as address, a_client(f"http://{address}") as client:
        assert translate(await failure_of(way(client))).uncertain
    [only] = asked
    assert only.startswith(f"POST /bot{TOKEN}/".encode())


async def test_a_connection_is_kept_and_a_broken_one_costs_no_call_after_it() -> None:
    connections: list[Writer] = []

    async def once(request: bytes, reader: Reader, writer: Writer) -> None:
        if writer not in connections:
            connections.append(writer)
        writer.write(OK)

    async with a_server(once) as address, a_client(f"http://{address}") as client:
        assert [await sent(client), await sent(client)] == [17, 17]
        assert len(connections) == 1
        connections[0].close()
        await asyncio.sleep(0.05)
        assert await sent(client) == 17
    assert len(connections) == 2


@pytest.mark.parametrize(("variable", "without"), [("HTTP_PROXY", False), ("ALL_PROXY", False), ("HTTP_PROXY", True)])
async def test_the_proxy_of_the_environment_is_used_but_where_it_is_said_not_to(
    monkeypatch: pytest.MonkeyPatch, variable: str, without: bool
) -> None:
    asked: list[bytes] = []

    async def note(request: bytes, reader: Reader, writer: Writer) -> None:
        asked.append(request.split()[1])
        writer.write(OK)

    async with a_server(note) as proxy, a_server(answer) as address:
        monkeypatch.setenv(variable, proxy)
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1" if without else "example.com")
        async with a_client(f"http://{address}") as client:
            assert await sent(client) == 17
    assert asked == ([] if without else [f"http://{address}/bot{TOKEN}/sendMessage".encode()])


async def test_after_the_end_nothing_is_sent_any_more() -> None:
    async with a_server(answer) as address:
        async with a_client(f"http://{address}") as client:
            assert await sent(client) == 17
        await failure_of(sent(client))
