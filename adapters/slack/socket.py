"""One Socket Mode connection through Bolt, watched so that a silent one is noticed.

It must not know what arrives, only that it is acknowledged after it has been taken, or not at all.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

log = logging.getLogger(__name__)

CONNECT_WITHIN = 30.0
CLOSE_WITHIN = 5.0


class Socket(AsyncSocketModeHandler):
    """Made within a running event loop, used once: ``hold`` it, then ``shut`` it."""

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]
        try:
            await super().handle(client, req)
        except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
            # Bolt could not even read it. Unacknowledged it would come again, and no better.
            log.warning("a payload was skipped, it cannot be read: %s", type(error).__name__)
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id))

    async def hold(self, address: str, patience: float) -> None:
        """Connect, and return when the connection has been dead for ``patience`` seconds in spite of the SDK's own care."""
        self.client.wss_uri = address
        async with asyncio.timeout(CONNECT_WITHIN):  # the SDK tries for ever, and always the same address
            await self.connect_async()  # type: ignore[no-untyped-call] # the SDK gives it no types
        silent = 0
        while silent < 3:
            await asyncio.sleep(patience / 3)
            silent = 0 if await self.client.is_connected() else silent + 1

    async def shut(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):  # a dead server does not say good-bye
                await self.close_async()  # type: ignore[no-untyped-call] # the SDK gives it no types
        await self.client.aiohttp_client_session.close()
