"""How calls of the Bot API travel over connections that are kept, and what is known of a call that failed.

Forms go over aiohttp, at a fraction of the CPU time of httpx. Files go over httpx, which the SDK brings: it gives up a write that
does not get on, at any size. It must not know what is called, and never says an address: the token is part of it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, HTTPXRequest, RequestData

CONNECTIONS = 32
KEPT = 5.0
"""Seconds that a connection is kept without a call: less than any server keeps it, which would cut off the next call."""

tls = cache(httpx.create_ssl_context)  # reading the certificates takes a while, once is enough

_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
_NO_CONNECTION_OF_HTTPX = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class FloodError(TelegramError):
    """Telegram asks to wait. (The SDK's own RetryAfter cannot be raised without a deprecation warning.)"""

    def __init__(self, wait: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(f"Too many requests; Telegram asks to wait {wait.total_seconds():.0f} s")
        self.wait = wait


class ServerError(TelegramError):
    """The server failed. ``refused``: the Bot API itself said so; otherwise a gateway before it did, and nobody knows more."""

    def __init__(self, status: int, *, refused: bool) -> None:
        super().__init__(f"Telegram answered with status {status}")
        self.refused = refused


class UnsentError(NetworkError):
    """No connection came about, so that certainly nothing was sent."""


class Forms(BaseRequest):
    """Calls without files, all of them to the same host. ``timeout``: seconds to connect, and to wait for an answer."""

    def __init__(self, timeout: float, connections: int = CONNECTIONS) -> None:
        self._timeout, self._connections = timeout, connections
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float:
        return self._timeout

    async def initialize(self) -> None:
        """The first call does that: only then there is certainly an event loop."""

    async def shutdown(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        *_args: Any,
        **_kwargs: Any,
    ) -> tuple[int, bytes]:
        """Status and body of the answer. Raises FloodError, ServerError, UnsentError, NetworkError."""
        if self._session is None:
            self._session = self._opened(url)
        wait = self._timeout if read_timeout is BaseRequest.DEFAULT_NONE else read_timeout
        # Nothing else bounds the time that writing takes; a form fits into the buffers of a connection that is alive.
        timeout = aiohttp.ClientTimeout(total=self._timeout + wait, connect=self._timeout, sock_read=wait)
        form = request_data.json_parameters if request_data else None
        try:
            async with self._session.request(method, url, data=form, timeout=timeout, allow_redirects=False) as answer:
                status, body = answer.status, await answer.read()
        except _NO_CONNECTION as error:
            # Other errors than these would name the address.
            why = f": {error}" if isinstance(error, aiohttp.ClientConnectorError) else ""
            raise UnsentError(f"{type(error).__name__}{why}") from None
        except TimeoutError:
            raise TimedOut from None
        except aiohttp.ClientError as error:
            raise NetworkError(type(error).__name__) from None
        return _checked(status, body)

    def _opened(self, url: str) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEPT, ssl=tls()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self.USER_AGENT},
            proxy=_proxy(url),
        )


class Files(HTTPXRequest):
    """Calls that carry a file. ``timeout``: seconds for each piece that is written, too."""

    def __init__(self, timeout: float) -> None:
        super().__init__(
            connection_pool_size=CONNECTIONS,
            read_timeout=timeout,
            write_timeout=timeout,
            connect_timeout=timeout,
            pool_timeout=timeout,
            httpx_kwargs={"verify": tls()},
        )

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """As Forms.do_request."""
        try:
            status, body = await super().do_request(*args, **kwargs)
        except NetworkError as error:
            if isinstance(error.__cause__, _NO_CONNECTION_OF_HTTPX):
                raise UnsentError(str(error)) from error
            raise
        return _checked(status, body)


def _checked(status: int, body: bytes) -> tuple[int, bytes]:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        match _answer(body).get("parameters"):
            case {"retry_after": int(seconds) | float(seconds)}:
                raise FloodError(timedelta(seconds=seconds))
            case _:
                raise FloodError
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServerError(status, refused=_answer(body).get("ok") is False)
    return status, body


def _answer(body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for this address. aiohttp would look there, and into a file, with each call."""
    address, proxies = urlsplit(url), getproxies()
    proxy = None if proxy_bypass(address.netloc) else proxies.get(address.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
