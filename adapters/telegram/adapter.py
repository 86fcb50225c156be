"""The chat adapter: updates in, fetched or brought, and calls out.

It must not know what messages mean, nor how they are stored.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from telegram.error import BadRequest, InvalidToken, TelegramError

from adapters.telegram import topics
from adapters.telegram.client import Client
from adapters.telegram.courtesies import Courtesies
from adapters.telegram.errors import unfetched
from adapters.telegram.inbound import KINDS, Me
from adapters.telegram.intake import Intake, reason
from adapters.telegram.members import is_member
from adapters.telegram.menus import show_menus, show_staff_menus
from adapters.telegram.outbound import BUTTON_LIMIT, TEXT_LIMIT, render
from adapters.telegram.pace import Pace, TelegramLimits
from adapters.telegram.polling import Polling
from adapters.telegram.sending import Sending
from adapters.telegram.transport import FloodError
from bot.errors import SettingsError
from bot.model import Attachment, Card, ChatRef, Command, Limits, Mark, OutboundMessage, Part, Person
from bot.ports import Clock, Files, Receive

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from adapters.telegram.webhook import Webhook

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
ASK_AGAIN = 600.0  # seconds after which Telegram is told once more where to call
T = TypeVar("T")


class TelegramAdapter:
    """One bot. ``base_url`` and ``base_file_url`` are as in python-telegram-bot: the token is appended to them.

    ``poll`` is how long Telegram holds a poll open, ``timeout`` how long any other call may take, ``pause`` the first
    pause after a failure, all in seconds. ``files`` holds what is to be sent. ``webhook`` is where Telegram is to call;
    without it updates are fetched. ``staff`` are the ids of the chats in which staff sit, and
    what they may type there is in ``staff_commands``.
    """

    name = "telegram"
    limits: Limits = TelegramLimits(text=TEXT_LIMIT, buttons=BUTTON_LIMIT, pace=1.0)

    def __init__(
        self,
        token: str,
        *,
        files: Files,
        base_url: str | None = None,
        base_file_url: str | None = None,
        poll: float = 30.0,
        timeout: float = 20.0,
        pause: float = 1.0,
        webhook: str | None = None,
        commands: Sequence[Command] = (),
        staff: Sequence[str] = (),
        staff_commands: Sequence[Command] = (),
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        try:
            self._client = Client(
                token,
                base_url or "https://api.telegram.org/bot",
                base_file_url or "https://api.telegram.org/file/bot",
                timeout,
            )
        except InvalidToken:
            raise SettingsError("The token of the Telegram bot is missing.") from None
        self._poll, self._pause, self._clock = poll, pause, clock
        self._commands, self._staff_commands = commands, staff_commands
        self._courtesies = Courtesies(self._client)
        self._gate = Pace()
        self._staff = frozenset(staff)
        self._send = Sending(self._client, files, self._staff, self._courtesies.pin)
        self._called = None if webhook is None else (webhook, _webhook(token))

    def routes(self) -> Sequence[BaseRoute]:
        """Where Telegram calls; nothing when updates are fetched."""
        return () if self._called is None else (self._called[1].route,)

    @property
    def exclusive(self) -> bool:
        """Telegram refuses one of two that fetch updates, but calls whichever process has the address."""
        return self._called is None

    async def run(self, receive: Receive) -> None:
        """Take updates until cancelled. Raises SettingsError when Telegram does not accept the token or the address."""
        me = await self._insist(self._me)
        intake = Intake(me, receive, self._clock, self._courtesies, {c.name: c for c in self._commands}, self._staff)
        await show_menus(self._client, self._commands)
        await show_staff_menus(self._client, self._staff_commands, sorted(self._staff))
        await (self._fetch(intake) if self._called is None else self._be_called(*self._called, intake))

    async def _fetch(self, intake: Intake) -> None:
        polling = Polling(self._client, self._poll)
        await self._insist(polling.begin)
        while True:
            await self._insist(lambda: polling.once(intake))

    async def _be_called(self, address: str, webhook: Webhook, intake: Intake) -> None:
        params: dict[str, object] = {
            "url": address,
            "secret_token": webhook.secret,
            "allowed_updates": list(KINDS),
            # One call after the other keeps a chat's updates in order, and is more than may be answered in the same time.
            "max_connections": 1,
        }

        async def ask_to_be_called() -> None:
            try:
                await self._client.call("setWebhook", params)
            except BadRequest as error:
                raise SettingsError(f"Telegram will not call {address}: {error} (see FIRSTLINE_PUBLIC_URL).") from None

        webhook.open(intake)
        try:
            while True:
                await self._insist(ask_to_be_called)
                await asyncio.sleep(ASK_AGAIN)  # somebody may have asked for another address meanwhile
        finally:
            await webhook.shut()

    async def _insist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it until it succeeds, with pauses. Raises SettingsError, which no patience can mend."""
        failures = 0
        while True:
            try:
                return await act()
            except SettingsError:
                raise
            except Exception as error:
                failures += 1
                pause = self._pause_after(failures, error)
                log.warning("updates are left for later, next try in %.1f s: %s", pause, reason(error))
                await asyncio.sleep(pause)

    render: Callable[[OutboundMessage], Sequence[Part]] = staticmethod(render)

    async def send(self, part: Part) -> str:
        await self._gate.turn()
        return await self._send(part)

    # --- staff: bot.ports.StaffSurface

    draw: Callable[[ChatRef, Card, str | None], Sequence[Part]] = staticmethod(topics.draw)
    mark: Callable[[ChatRef, str, Mark], Sequence[Part]] = staticmethod(topics.mark)

    def shut(self, chat: ChatRef, *, shut: bool) -> Sequence[Part]:
        return topics.shut(chat, shut=shut)

    async def is_member(self, chat: ChatRef, person: Person) -> bool:
        return await is_member(self._client, chat, person)

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._client.download(attachment.ref)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as error:
            raise unfetched(error) from error

    def working(self, chat: ChatRef) -> None:
        self._courtesies.working(chat)

    async def close(self) -> None:
        """Close the connections. Neither ``run`` nor ``send`` may be called afterwards."""
        await self._courtesies.close()
        await self._client.close()

    async def _me(self) -> Me:
        try:
            me = await self._client.call("getMe", {})
        except InvalidToken:
            raise SettingsError("Telegram does not accept the token of the bot.") from None
        match me:
            case {"id": int(number), "username": str(username)}:
                return Me(number, username)
            case _:
                raise TelegramError("The answer to getMe does not describe a bot")

    def _pause_after(self, failures: int, error: Exception) -> float:
        if isinstance(error, FloodError):
            return error.wait.total_seconds()
        jitter = random.uniform(0.5, 1)  # noqa: S311 - no secret
        return jitter * min(LONGEST_PAUSE, self._pause * 2.0 ** min(failures - 1, 16))


def _webhook(token: str) -> Webhook:
    try:
        from adapters.telegram.webhook import Webhook, secret_of
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"To be called by Telegram needs the package {error.name!r}, which is not installed: pip install 'firstline[web]'."
        ) from error
    return Webhook(secret_of(token))
