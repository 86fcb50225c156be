"""The web server in the joined application: routes of adapters are reached, and it stops without cutting anybody off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.errors import SettingsError
from bot.running import App
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, FakeClassifier, a_message
from tests.integration.desk import until


class Called(FakeAdapter):
    """A platform that calls: what it says is received before it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.app: App | None = None

    def routes(self) -> Sequence[Route]:
        return [Route("/fake", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        assert self.app is not None
        self.entered.set()
        await self.gate.wait()
        await self.app.receiver(a_message((await request.body()).decode()))
        return PlainTextResponse("taken")


@asynccontextmanager
async def _running(
    database: TestDatabase, folder: Path, adapter: FakeAdapter, port: int, catalogue: Catalogue
) -> AsyncIterator[asyncio.Task[None]]:
    settings = Settings(data=folder, database_url=database.url, burst_seconds=0, web_port=port)
    async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app:
        if isinstance(adapter, Called):
            adapter.app = app
        running = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _call(port: int, said: str) -> httpx.Response:
    async with asyncio.timeout(10), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.ConnectError):
                return await client.post(f"http://127.0.0.1:{port}/fake", content=said)
            await asyncio.sleep(0.01)


async def test_what_a_platform_says_by_calling_is_answered(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    adapter = Called()
    async with _running(database, tmp_path, adapter, unused_tcp_port, catalogue):
        answer = await _call(unused_tcp_port, "Der Drucker ist kaputt")
        await until(lambda: len(adapter.sent) == 1)
    assert (answer.status_code, answer.text) == (200, "taken")
    assert "uvicorn" not in str(answer.headers)


async def test_a_call_under_way_is_answered_before_the_server_stops(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    adapter = Called()
    adapter.gate.clear()
    async with _running(database, tmp_path, adapter, unused_tcp_port, catalogue):
        call = asyncio.create_task(_call(unused_tcp_port, "Guten Tag"))
        await adapter.entered.wait()
        asyncio.get_running_loop().call_later(0.1, adapter.gate.set)
    assert (await call).text == "taken"
    async with database.store().snapshot() as session:
        assert await session.inbox.count("new") + await session.inbox.count("handled") == 1


async def test_without_routes_nothing_listens(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    adapter = FakeAdapter()
    async with _running(database, tmp_path, adapter, unused_tcp_port, catalogue):
        adapter.incoming.put_nowait(a_message("Guten Tag"))
        await until(lambda: len(adapter.sent) == 1)
        with socket.socket() as other:
            assert other.connect_ex(("127.0.0.1", unused_tcp_port))


async def test_a_port_that_is_taken_is_told_with_the_setting_to_change(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        async with _running(database, tmp_path, Called(), unused_tcp_port, catalogue) as running:
            with pytest.raises(SettingsError, match="FIRSTLINE_WEB_PORT"):
                await running
