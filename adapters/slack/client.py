"""Slack's Web API over connections that are kept. By itself the SDK opens one for each call, with all that TLS takes.

It must not know what is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse


class Client(AsyncWebClient):
    """``timeout``: seconds for each call. Who is to call again after which failure is in ``retries``."""

    def __init__(self, token: str, base_url: str, timeout: float, retries: Sequence[AsyncRetryHandler] = ()) -> None:
        super().__init__(token, base_url, timeout=timeout, retry_handlers=[*retries])  # type: ignore[arg-type] # the SDK says int, aiohttp takes both

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        if self.session is None:  # the first call: only now there is certainly an event loop
            self.session = aiohttp.ClientSession(
                # No limit: whoever waited for a connection until the time is up could not say that nothing was sent.
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self.timeout),
                middlewares=[_not_elsewhere],
            )
        return await super().api_call(api_method, **arguments)

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()


async def _not_elsewhere(request: aiohttp.ClientRequest, call: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """The SDK would follow a redirection, and take along what is said. Raises aiohttp.ClientError."""
    answer = await call(request)
    if answer.status in range(300, 400):
        answer.close()
        raise aiohttp.ClientError(f"Slack's API answers with a redirection, status {answer.status}")
    return answer
