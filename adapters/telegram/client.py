"""Calls of the Bot API by raw name and raw answer, through python-telegram-bot.

Raw, because one update that the SDK cannot parse would block every other. It must not know what the calls are for, nor how they
travel.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
from telegram import Bot, InputFile
from telegram.error import BadRequest, TelegramError

from adapters.telegram.transport import Files, FloodError, Forms, ServerError, tls

# Both log addresses, httpx at INFO, and for Telegram the token is part of the address.
for _name in ("httpx", "telegram.Bot"):
    logging.getLogger(_name).setLevel(logging.WARNING)

PIECE = 1 << 16  # bytes
GRACE = 10.0  # seconds that an answer to a long poll may be late


class Client:
    """The bot, with connections of their own for polling, for files and for everything else."""

    def __init__(self, token: str, base_url: str, base_file_url: str, timeout: float) -> None:
        forms, polls, files = self._ways = Forms(timeout), Forms(timeout, connections=1), Files(timeout)
        self._downloads = httpx.AsyncClient(verify=tls(), timeout=timeout, headers={"Accept-Encoding": "identity"})
        self._bot = _RawBot(token, base_url, base_file_url, request=forms, get_updates_request=polls)
        self._uploads = _RawBot(token, base_url, base_file_url, request=files, get_updates_request=files)

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
        return await self._uploads.raw(method, {**params, field: InputFile(content, filename=name)}, None)

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
                raise FloodError
            if answer.status_code != HTTPStatus.OK:
                raise ServerError(answer.status_code, refused=True)
            async for piece in answer.aiter_raw(PIECE):
                yield piece

    async def close(self) -> None:
        await self._downloads.aclose()
        for way in self._ways:
            await way.shutdown()


class _RawBot(Bot):
    async def raw(self, method: str, params: dict[str, object], within: float | None) -> object:
        if within is None:
            return await self._post(method, dict(params))
        return await self._post(method, dict(params), read_timeout=within)
