"""How Telegram calls: one update after the other, again and again until it is answered with 2xx.

It must not know the adapter. ``reach`` stands for the Internet: where what is said to a host really goes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.loopback.telegram_markup import Refusal

PAUSE = 0.02  # seconds before an update is brought again; Telegram takes its time
PATIENCE = aiohttp.ClientTimeout(total=10)  # for one call


class Webhook:
    def __init__(
        self,
        queue: dict[int, dict[str, Any]],
        confirmed: list[int],
        news: asyncio.Condition,
        wanted: Callable[[Mapping[str, Any], list[str]], bool],
    ) -> None:
        self._queue, self._confirmed, self._news, self._wanted = queue, confirmed, news, wanted
        self.reach: dict[str, str] = {}
        self.url, self.secret, self.allowed = "", "", [""]
        self.answers: list[int] = []
        """The status of each call, 0 where nobody answered."""
        self.took: list[float] = []
        """Seconds that each call took."""

    def set(self, params: Mapping[str, Any]) -> bool:
        parts = urlsplit(params["url"])
        if params["url"]:
            if parts.scheme != "https":
                raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
            if parts.port not in {None, 443, 80, 88, 8443}:
                raise Refusal(400, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
            if parts.hostname not in self.reach:
                raise Refusal(400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known")
        if not re.fullmatch("[A-Za-z0-9_-]{1,256}", params["secret_token"]):
            raise Refusal(400, "Bad Request: secret token contains unallowed characters")
        if not 1 <= params.get("max_connections", 40) <= 100:
            raise Refusal(400, "Bad Request: max_connections must be from 1 to 100")
        self.url, self.secret, self.allowed = params["url"], params["secret_token"], params["allowed_updates"]
        self._drop(params)
        return True

    def delete(self, params: Mapping[str, Any]) -> bool:
        self.url = self.secret = ""
        self._drop(params)
        return True

    def info(self) -> dict[str, Any]:
        info: dict[str, Any] = {
            "url": self.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._queue),
        }
        if self.url:
            info |= {"max_connections": 1, "allowed_updates": self.allowed}
        if self.url and self.answers and not self._good(self.answers[-1]):
            said = f"Wrong response from the webhook: {self.answers[-1]}" if self.answers[-1] else "Connection refused"
            info |= {"last_error_date": 1700000000, "last_error_message": said}
        return info

    async def run(self) -> None:
        async with aiohttp.ClientSession(timeout=PATIENCE) as session:
            while True:
                waiting = [n for n, update in self._queue.items() if self._wanted(update, self.allowed)]
                if not self.url or not waiting:
                    await asyncio.sleep(PAUSE)
                    continue
                number = min(waiting)
                begin = time.monotonic()
                status = await self._call(session, self._queue[number])
                self.took.append(time.monotonic() - begin)
                self.answers.append(status)
                if self._good(status):
                    self._queue.pop(number, None)
                    self._confirmed.append(number)
                else:
                    await asyncio.sleep(PAUSE)

    async def _call(self, session: aiohttp.ClientSession, update: dict[str, Any]) -> int:
        parts = urlsplit(self.url)
        target = self.reach[parts.hostname or ""] + parts.path
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.secret}
        try:
            async with session.post(target, json=update, headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    def _drop(self, params: Mapping[str, Any]) -> None:
        if params.get("drop_pending_updates"):
            self._queue.clear()

    @staticmethod
    def _good(status: int) -> bool:
        return 200 <= status < 300
