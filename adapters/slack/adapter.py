"""The chat adapter: Socket Mode in, Web API out.

It must not know what messages mean, nor how they are stored.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errors import BAD_TOKEN, error_code, translate
from adapters.slack.files import download, upload
from adapters.slack.inbound import Me, UnreadableError, to_inbound
from adapters.slack.outbound import BUTTON_LIMIT, SECTION_LIMIT, render
from adapters.slack.socket import Socket, app
from bot.errors import DeliveryError, FirstlineError, SettingsError
from bot.model import Attachment, Limits, OutboundMessage, Part
from bot.ports import Files, Receive

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
T = TypeVar("T")


class SlackAdapter:
    """One app in one workspace.

    ``timeout`` is how long a call may take, ``pause`` the first pause after a failure, ``ping`` the time between two
    signs of life of the socket and ``patience`` how long it may stay dead before it is replaced, all in seconds. ``files`` holds
    what is to be sent.
    """

    name = "slack"
    limits = Limits(text=SECTION_LIMIT, buttons=BUTTON_LIMIT, pace=1.0)

    def __init__(
        self,
        bot_token: str,
        app_token: str,
        *,
        files: Files,
        base_url: str | None = None,
        timeout: float = 20.0,
        pause: float = 1.0,
        ping: float = 5.0,
        patience: float = 60.0,
    ) -> None:
        if not bot_token or not app_token:
            raise SettingsError("A token of the Slack app is missing: it needs a bot token and an app-level token.")
        api = base_url or AsyncWebClient.BASE_URL
        # The SDK's default would send again after a connection error, and so twice. A rate limit is waited out only where
        # nobody else waits: in front of a message it is for the outbox to wait, which knows what else is due.
        waiting = [AsyncRateLimitErrorRetryHandler(max_retry_count=2)]
        self._lifecycle = AsyncWebClient(bot_token, api, timeout=timeout, retry_handlers=[*waiting])  # type: ignore[arg-type] # the SDK says int, aiohttp takes both
        self._outgoing = AsyncWebClient(bot_token, api, timeout=timeout, retry_handlers=[])  # type: ignore[arg-type] # as above
        self._app_token, self._files = app_token, files
        self._pause, self._ping, self._patience = pause, ping, patience

    async def run(self, receive: Receive) -> None:
        """Stay connected until cancelled. Raises SettingsError when Slack does not accept a token."""
        me = await self._insist(self._me)
        intake = _Intake(me, receive)
        while True:
            address = await self._insist(self._address)
            socket = Socket(app(self._lifecycle, intake.take), self._app_token, ping_interval=self._ping)
            intake.open()
            try:
                await socket.hold(address, self._patience)
            except TimeoutError:
                log.warning("no socket could be opened; trying a new address")
            else:
                log.warning("the socket was silent for %.0f s; connecting anew", self._patience)
            finally:
                await intake.shut()
                await socket.shut()

    render: Callable[[OutboundMessage], Sequence[Part]] = staticmethod(render)

    async def send(self, part: Part) -> str:
        match part.payload:
            case {"params": {} as params, "file": {"key": str(key), "name": str(name)}}:
                content = b"".join([piece async for piece in self._files.open(key)])
                return await upload(self._outgoing, name, content, dict(params))
            case {"method": str(method), "params": {} as params}:
                pass
            case _:
                raise DeliveryError("This part was not made by the Slack adapter.", permanent=True)
        try:
            answer = await self._outgoing.api_call(method, json=dict(params))
        except Exception as error:
            raise translate(error) from error
        match answer.get("ts"):
            case str(ts):
                return ts
            case _:
                raise DeliveryError("Slack did not say which message it sent.", uncertain=True)

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        async with aclosing(download(self._outgoing, attachment)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Nothing stays open outside ``run``."""

    async def _me(self) -> Me:
        answer = await self._lifecycle.auth_test()
        return Me(str(answer["team_id"]), str(answer["user_id"]))

    async def _address(self) -> str:
        answer = await self._lifecycle.apps_connections_open(app_token=self._app_token)
        return str(answer["url"])

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        failures = 0
        while True:
            try:
                return await call()
            except Exception as error:
                if isinstance(error, SlackApiError) and error_code(error) in BAD_TOKEN:
                    raise SettingsError(f"Slack does not accept a token of the app: {error_code(error)}.") from None
                jitter = random.uniform(0.5, 1)  # noqa: S311 - no secret
                pause = jitter * min(LONGEST_PAUSE, self._pause * 2.0**failures)
                failures = min(failures + 1, 16)
                log.warning("Slack cannot be reached, next try in %.1f s: %s: %s", pause, type(error).__name__, error)
                await asyncio.sleep(pause)


class _Intake:
    """Hands over one message at a time: the SDK starts a task for each payload, and they would overtake each other."""

    def __init__(self, me: Me, receive: Receive) -> None:
        self._me, self._receive = me, receive
        self._turn = asyncio.Lock()  # lets the waiting in first come, first served
        self._open = False

    def open(self) -> None:
        self._open = True

    async def take(self, payload: Mapping[str, Any]) -> None:
        async with self._turn:
            if not self._open:
                raise FirstlineError("The adapter is shutting down.")
            try:
                message = to_inbound(payload, self._me)
            except Exception as error:  # whatever it is: it would be the same the next time
                reason = error if isinstance(error, UnreadableError) else type(error).__name__
                log.warning("event %s was skipped, it cannot be read: %s", payload.get("event_id"), reason)
                return
            if message is None:
                log.debug("event %s of type %s is not for the bot", payload.get("event_id"), payload.get("type"))
                return
            await self._receive(message)

    async def shut(self) -> None:
        """Take nothing more, and wait for what is being taken."""
        self._open = False
        async with self._turn:
            pass
