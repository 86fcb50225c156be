"""Calls of the Bot API by raw name and raw answer, over python-telegram-bot's transport.

Raw, because one update that the SDK cannot parse would block every other. It must not know what the calls are for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
from telegram import Bot, InputFile
from telegram.error import BadRequest, TelegramError
from telegram.request import HTTPXRequest

# Both log addresses, httpx at INFO, and for Telegram the token is part of the address.
for _name in ("httpx", "telegram.Bot"):
    logging.getLogger(_name).setLevel(logging.WARNING)

PIECE = 1 << 16  # bytes
GRACE = 10.0  # seconds that an answer to a long poll may be late


class FloodError(TelegramError):
    """Telegram asks to wait. (The SDK's own RetryAfter cannot be raised without a deprecation warning.)"""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"Too many requests; Telegram asks to wait {wait.total_seconds():.0f} s")
        self.wait = wait


class ServerError(TelegramError):
    """The server failed. ``refused``: the Bot API itself said so; otherwise a gateway before it did, and nobody knows more."""

    def __init__(self, status: int, *, refused: bool) -> None:
        super().__init__(f"Telegram answered with status {status}")
        self.refused = refused


class Client:
    """The bot, with one connection pool for polling and one for everything else."""

    def __init__(self, token: str, base_url: str, base_file_url: str, timeout: float) -> None:
        self._pools = (_Transport(timeout, connection_pool_size=1), _Transport(timeout))
        self._downloads = httpx.AsyncClient(verify=_tls(), timeout=timeout, headers={"Accept-Encoding": "identity"})
        self._bot = _RawBot(token, base_url, base_file_url, request=self._pools[1], get_updates_request=self._pools[0])

    async def call(self, method: str, params: dict[str, object], *, within: float | None = None) -> Any:
        """The ``result`` of the answer, as JSON. Raises TelegramError."""
        return await self._bot.raw(method, params, within)

    async def updates(self, offset: int, kinds: tuple[str, ...], wait: float) -> list[object]:
        """Wait for updates and confirm those before ``offset``. 0 confirms nothing."""
        params: dict[str, object] = {"timeout": round(wait), "allowed_updates": list(kinds)}
        if offset:
            params["offset"] = offset
        result = await self.call("getUpdates", params, within=wait + GRACE)
        if not isinstance(result, list):
            raise TelegramError("The answer to getUpdates is no list")
        return result

    async def upload(self, method: str, params: dict[str, object], field: str, name: str, content: bytes) -> Any:
        """``call`` with a file as the argument ``field``."""
        return await self.call(method, {**params, field: InputFile(content, filename=name)})

    async def download(self, file_id: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file that somebody has sent. Raises TelegramError, httpx.HTTPError."""
        match await self.call("getFile", {"file_id": file_id}):
            case {"file_path": str(path)}:
                pass
            case _:
                raise TelegramError("The answer to getFile has no file_path")
        if {".", ".."} & set(path.split("/")):
            raise BadRequest("The path of the file leads elsewhere")  # httpx would follow it
        async with self._downloads.stream("GET", f"{self._bot.base_file_url}/{quote(path)}") as answer:
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                raise FloodError(_wait({}))
            if answer.status_code != HTTPStatus.OK:
                raise ServerError(answer.status_code, refused=True)
            async for piece in answer.aiter_raw(PIECE):
                yield piece

    async def close(self) -> None:
        await self._downloads.aclose()
        for pool in self._pools:
            await pool.shutdown()


class _RawBot(Bot):
    async def raw(self, method: str, params: dict[str, object], within: float | None) -> object:
        if within is None:
            return await self._post(method, dict(params))
        return await self._post(method, dict(params), read_timeout=within)


_tls = cache(httpx.create_ssl_context)  # reading the certificates takes a while, once is enough


class _Transport(HTTPXRequest):
    def __init__(self, timeout: float, connection_pool_size: int = 32) -> None:
        super().__init__(
            connection_pool_size=connection_pool_size,
            read_timeout=timeout,
            write_timeout=timeout,
            connect_timeout=timeout,
            pool_timeout=timeout,
            httpx_kwargs={"verify": _tls()},
        )

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        status, body = await super().do_request(*args, **kwargs)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise FloodError(_wait(_answer(body)))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ServerError(status, refused=_answer(body).get("ok") is False)
        return status, body


def _answer(body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _wait(answer: dict[str, object]) -> timedelta:
    match answer.get("parameters"):
        case {"retry_after": int(seconds) | float(seconds)}:
            return timedelta(seconds=seconds)
        case _:
            return timedelta(seconds=5)
