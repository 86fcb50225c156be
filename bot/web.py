"""The one web server: it carries the routes that adapters offer, for as long as it is asked to.

It must not know what is behind a route. Starlette and uvicorn come with the extra ``web`` and are imported only when needed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from bot.errors import SettingsError
from bot.ports import ChatAdapter, Reachable

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

log = structlog.get_logger(__name__)

GRACE = 10
"""Seconds that a request under way may still take when the server is asked to stop."""


def offered(adapters: Iterable[ChatAdapter]) -> Sequence[BaseRoute]:
    """The routes of all adapters that have any. Raises SettingsError when the packages for them are missing."""
    try:
        return [route for adapter in adapters if isinstance(adapter, Reachable) for route in adapter.routes()]
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"Being called over the web needs the package {error.name!r}, which is not installed: "
            "pip install 'firstline[web]'."
        ) from error


async def serve(routes: Sequence[BaseRoute], listening: socket.socket) -> None:
    """Answer requests until cancelled; then take no new ones and finish those under way."""
    import uvicorn
    from starlette.applications import Starlette

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # signals are the composition root's

    config = uvicorn.Config(
        Starlette(routes=list(routes)),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    host, port = listening.getsockname()[:2]
    log.info("listening", host=host, port=port)
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        listening.close()


def bound(host: str, port: int, *, setting: str = "FIRSTLINE_WEB") -> socket.socket:
    """Take the port before anything else begins: uvicorn would end the process where it cannot. Raises SettingsError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"The web server cannot listen on {host}:{port} ({error.strerror or error}): set {setting}_HOST to an "
            f"address of this machine and {setting}_PORT to a port that is free."
        ) from None
