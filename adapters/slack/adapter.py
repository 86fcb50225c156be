"""The chat adapter: Socket Mode or HTTP in, Web API out.

It must not know what messages mean, nor how they are stored.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler

from adapters.slack import history, staff
from adapters.slack.app import app
from adapters.slack.client import Client
from adapters.slack.courtesies import Courtesies
from adapters.slack.elements import Me, channel_of
from adapters.slack.errors import BAD_TOKEN, error_code, translate
from adapters.slack.files import download, slacks_own, upload
from adapters.slack.forms import Forms
from adapters.slack.intake import Intake
from adapters.slack.outbound import BUTTON_LIMIT, SECTION_LIMIT, UPLOAD, render
from adapters.slack.people import People
from adapters.slack.socket import Socket
from adapters.slack.webhook import Webhook
from bot.errors import DeliveryError, FirstlineError, SettingsError
from bot.model import Attachment, Card, ChatRef, Limits, Mark, OutboundMessage, Part, Person
from bot.ports import Files, Home, Receive
from bot.ports import Forms as FormOf

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
NEW = frozenset({"chat.postMessage", UPLOAD})
"""What is said anew, of which Slack takes about one a second in a channel."""
T = TypeVar("T")


class SlackLimits(Limits):
    def pace_after(self, part: Part) -> float:
        """Marks and changes have limits of their own, which nobody reaches who writes at this pace."""
        return self.pace if part.payload.get("method") in NEW else 0.0


class SlackAdapter:
    """One app in one workspace, reached through a socket with ``app_token``, or over the web with ``signing_secret``.

    ``staff`` are the ids of the channels in which staff sit, and in which each ticket is a thread; ``form`` gives the form that is
    opened when a button of theirs is pressed. ``home`` gives what the home tab shows, ``path`` is where Slack calls. ``timeout`` is
    how long a call may take, ``pause`` the first pause after a failure, ``ping`` the time between two signs of life of the socket
    and ``patience`` how long it may stay dead before it is replaced, all in seconds. ``files`` holds what is to be sent.
    """

    name = "slack"
    limits: Limits = SlackLimits(text=SECTION_LIMIT, buttons=BUTTON_LIMIT, pace=1.0)

    def __init__(
        self,
        bot_token: str,
        app_token: str | None = None,
        *,
        files: Files,
        signing_secret: str | None = None,
        home: Home | None = None,
        staff: Sequence[str] = (),
        form: FormOf | None = None,
        path: str = "/slack/events",
        base_url: str | None = None,
        timeout: float = 20.0,
        pause: float = 1.0,
        ping: float = 5.0,
        patience: float = 60.0,
    ) -> None:
        if not bot_token:
            raise SettingsError("The bot token of the Slack app is missing.")
        if bool(app_token) == bool(signing_secret):
            raise SettingsError("The Slack app needs an app-level token for Socket Mode, or a signing secret for HTTP.")
        api = base_url or Client.BASE_URL
        # The SDK's default would send again after a connection error, and so twice. A rate limit is waited out only where
        # nobody else waits: in front of a message it is for the outbox to wait, which knows what else is due.
        self._lifecycle = Client(bot_token, api, timeout, [AsyncRateLimitErrorRetryHandler(max_retry_count=2)])
        self._outgoing = Client(bot_token, api, timeout)
        self._app_token, self._home, self._form, self._path = app_token, home, form, path
        self._files, self._staff = files, frozenset(map(channel_of, staff))
        self._webhook = Webhook(signing_secret) if signing_secret else None
        self._pause, self._ping, self._patience = pause, ping, patience

    async def run(self, receive: Receive) -> None:
        """Stay reachable until cancelled. Raises SettingsError when Slack does not accept a token."""
        me = await self._insist(self._me)
        people, courtesies = People(self._lifecycle, me), Courtesies(self._lifecycle, me, self._home)
        intake = Intake(me, receive, people, courtesies, Forms(self._outgoing, me, self._form))
        if self._webhook is not None:
            async with _opened(intake):
                self._webhook.app = app(self._lifecycle, intake.take)
                try:
                    await asyncio.Event().wait()
                finally:
                    self._webhook.app = None
        while True:
            await self._hold_socket(intake)

    async def _hold_socket(self, intake: Intake) -> None:
        address = await self._insist(self._address)
        socket = Socket(app(self._lifecycle, intake.take), self._app_token, ping_interval=self._ping)
        try:
            async with _opened(intake):
                await socket.hold(address, self._patience)
        except TimeoutError:
            log.warning("no socket could be opened; trying a new address")
        else:
            log.warning("the socket was silent for %.0f s; connecting anew", self._patience)
        finally:
            await socket.shut()

    def routes(self) -> Sequence[BaseRoute]:
        """Where Slack calls; none in Socket Mode."""
        if self._webhook is None:
            return ()
        from adapters.slack.route import route  # the web is an extra

        return (route(self._path, self._webhook),)

    render: Callable[[OutboundMessage], Sequence[Part]] = staticmethod(render)

    draw: Callable[[ChatRef, Card, str | None], Sequence[Part]] = staticmethod(staff.draw)
    mark: Callable[[ChatRef, str, Mark], Sequence[Part]] = staticmethod(staff.mark)

    def shut(self, chat: ChatRef, *, shut: bool) -> Sequence[Part]:  # noqa: ARG002 - Slack's threads are always open
        return ()

    async def is_member(self, chat: ChatRef, person: Person) -> bool:
        return await staff.is_member(self._lifecycle, chat, person)

    async def send(self, part: Part) -> str:
        root = False
        match part.payload:
            case {"params": {} as params, "file": {"key": str(key), "name": str(name)}}:
                content = b"".join([piece async for piece in self._files.open(key)])
                return await upload(self._outgoing, name, content, _in_thread(part, params))
            case {"method": staff.MARK, "params": {} as params, "instead": [*instead]}:
                return await staff.react(self._outgoing, params, [str(name) for name in instead])
            case {"method": str(method), "params": {} as params, **more}:
                root = bool(more.get("root"))
            case _:
                raise DeliveryError("This part was not made by the Slack adapter.", permanent=True)
        if method == "chat.postMessage":
            params = dict(params) if root else _in_thread(part, params)
            if part.key:
                params = history.marked(params, part.key)
        try:
            answer = await self._outgoing.api_call(method, json=dict(params))
        except Exception as error:
            raise translate(error, root=root and method == "chat.update") from error
        match answer.get("ts"):
            case str(ts):
                return ts
            case _:
                raise DeliveryError("Slack did not say which message it sent.", uncertain=True)

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        async with aclosing(download(self._outgoing, attachment)) as pieces:
            async for piece in pieces:
                yield piece

    async def find(self, part: Part) -> str | None:
        """The ts of a part that may have been sent already. Raises DeliveryError, permanent where Slack cannot say."""
        match part.payload:
            case {"method": "chat.postMessage"} if part.key:
                thread = None if part.payload.get("root") else part.chat.thread_id
                return await history.sent(self._outgoing, channel_of(part.chat.chat_id), thread, part.key)
            case {"method": "chat.update" | staff.MARK}:
                return None  # changing it to the same a second time does no harm
            case _:
                raise DeliveryError("This part carries no mark.", permanent=True)

    async def close(self) -> None:
        """Close the connections. Neither ``run`` nor ``send`` may be called afterwards."""
        await self._lifecycle.close()
        await self._outgoing.close()

    async def _me(self) -> Me:
        answer = await self._lifecycle.auth_test()
        return Me(str(answer["team_id"]), str(answer["user_id"]), self._staff)

    async def _address(self) -> str:
        answer = await self._lifecycle.apps_connections_open(app_token=self._app_token or "")
        address = str(answer["url"])
        if not slacks_own(address, self._lifecycle):
            raise FirstlineError("Slack names a socket that is not its own.")
        return address

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


def _in_thread(part: Part, params: Mapping[str, object]) -> dict[str, object]:
    return {**params, **({} if part.chat.thread_id is None else {"thread_ts": part.chat.thread_id})}


@asynccontextmanager
async def _opened(intake: Intake) -> AsyncIterator[None]:
    intake.open()
    try:
        yield
    finally:
        await intake.shut()
