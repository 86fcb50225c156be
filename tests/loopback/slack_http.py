"""Slack as the caller: signed requests to the app's address, again after failures as Slack does it.

It must not know the adapter. Time is an argument, so that five minutes pass at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp

SECRET = "loopback-signing-secret"
PAUSES = (0.0, 60.0, 300.0)
"""Seconds before the first, second and third time that Slack tries again."""


@dataclass
class FakeTime:
    """Seconds since 1970. Whoever sleeps moves it on."""

    now: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Reply:
    status: int
    body: str
    headers: Mapping[str, str]


@dataclass
class Caller:
    """Calls ``url``. ``within``: seconds that an answer may take, 3 in real life."""

    url: str
    secret: str = SECRET
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    pauses: tuple[float, ...] = PAUSES
    within: float = 3.0
    replies: list[Reply] = field(default_factory=list)

    def encoded(self, payload: Any, kind: str = "events_api") -> tuple[str, bytes]:
        """Content type and body: JSON for events, a form for the rest, in which interactions are one JSON value."""
        if kind == "events_api":
            return "application/json", json.dumps(payload).encode()
        if kind == "slash_commands":
            return "application/x-www-form-urlencoded", urlencode(payload).encode()
        return "application/x-www-form-urlencoded", urlencode({"payload": json.dumps(payload)}).encode()

    def signed(self, body: bytes, stamp: str | None = None, secret: str | None = None) -> dict[str, str]:
        stamp = stamp if stamp is not None else str(int(self.clock()))
        digest = hmac.new((secret or self.secret).encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest.hexdigest()}"}

    async def post(
        self, body: bytes | AsyncIterable[bytes], headers: Mapping[str, str], content_type: str = "application/json"
    ) -> Reply:
        """One request, whatever it is. Raises aiohttp's errors and TimeoutError."""
        timeout = aiohttp.ClientTimeout(total=self.within)
        about = {"Content-Type": content_type, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(self.url, data=body, headers={**about, **headers}) as answer,
        ):
            reply = Reply(answer.status, await answer.text(), {k.lower(): v for k, v in answer.headers.items()})
        self.replies.append(reply)
        return reply

    async def verified(self) -> bool:
        """As when somebody enters the address on Slack's pages: whether it answers with the challenge."""
        body = json.dumps({"token": "legacy", "challenge": "3eZbrw1a", "type": "url_verification"}).encode()
        reply = await self.post(body, self.signed(body))
        return reply.status == 200 and json.loads(reply.body) == {"challenge": "3eZbrw1a"}

    async def deliver(self, payload: Any, kind: str = "events_api") -> int | None:
        """Deliver until it is accepted, as often as Slack would. Returns how many retries it took, None when it was given up.

        Only events come again; of an interaction or a command the person who did it is shown that it failed.
        """
        content_type, body = self.encoded(payload, kind)
        reason = ""
        for attempt in range(1 + (len(self.pauses) if kind == "events_api" else 0)):
            if attempt:
                await self.sleep(self.pauses[attempt - 1])
            again = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
            try:
                reply = await self.post(body, {**self.signed(body), **again}, content_type)
            except TimeoutError:
                reason = "http_timeout"
                continue
            except aiohttp.ClientError:
                reason = "connection_failed"
                continue
            if 200 <= reply.status < 300:
                return attempt
            if reply.headers.get("x-slack-no-retry") == "1":
                return None
            reason = "http_error"
        return None
