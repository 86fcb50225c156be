"""The chat adapter: long polling in, calls out.

It must not know what messages mean, nor how they are stored.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from telegram.error import BadRequest, ChatMigrated, InvalidToken, TelegramError

from adapters.telegram.client import Client, FloodError
from adapters.telegram.errors import translate, unfetched
from adapters.telegram.inbound import KINDS, Me, UnreadableError, to_inbound
from adapters.telegram.outbound import BUTTON_LIMIT, TEXT_LIMIT, render
from bot.errors import DeliveryError, FirstlineError, SettingsError
from bot.model import Attachment, InboundMessage, Limits, OutboundMessage, Part
from bot.ports import Clock, Files, Receive

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
_FIELDS = {"sendPhoto": "photo", "sendDocument": "document"}
_REFUSED_PHOTO = re.compile("photo|image", re.IGNORECASE)


class TelegramAdapter:
    """One bot. ``base_url`` and ``base_file_url`` are as in python-telegram-bot: the token is appended to them.

    ``poll`` is how long Telegram holds a poll open, ``timeout`` how long any other call may take, ``pause`` the first
    pause after a failure, all in seconds. ``files`` holds what is to be sent.
    """

    name = "telegram"
    limits = Limits(text=TEXT_LIMIT, buttons=BUTTON_LIMIT, pace=1.0)

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
        self._files = files
        self._poll, self._pause, self._clock = poll, pause, clock

    async def run(self, receive: Receive) -> None:
        """Poll until cancelled. Raises SettingsError when Telegram does not accept the token."""
        me: Me | None = None
        offset, failures = 0, 0
        while True:
            try:
                me = me or await self._me()
                for number, update in _numbered(await self._client.updates(offset, KINDS, self._poll)):
                    await self._take(number, update, me, receive)
                    # Telling Telegram is left to the next poll: what was not received before a crash comes again.
                    offset = number + 1
                failures = 0
            except Exception as error:
                if me is None and isinstance(error, InvalidToken):
                    raise SettingsError("Telegram does not accept the token of the bot.") from None
                failures += 1
                pause = self._pause_after(failures, error)
                log.warning("updates are left for later, next try in %.1f s: %s", pause, _reason(error))
                await asyncio.sleep(pause)

    render: Callable[[OutboundMessage], Sequence[Part]] = staticmethod(render)

    async def send(self, part: Part) -> str:
        match part.payload:
            case {"method": str(method), "params": {} as params, "file": {"key": str(key), "name": str(name)}}:
                return await self._upload(method, dict(params), key, name)
            case {"method": str(method), "params": {} as params}:
                pass
            case _:
                raise DeliveryError("This part was not made by the Telegram adapter.", permanent=True)
        try:
            result = await self._call(method, dict(params))
        except BadRequest as error:
            if method == "editMessageText" and "message is not modified" in str(error).lower():
                return str(params["message_id"])  # it reads already as it should
            raise translate(error) from error
        except Exception as error:
            raise translate(error) from error
        return _message_id(result)

    async def _upload(self, method: str, params: dict[str, object], key: str, name: str) -> str:
        content = b"".join([piece async for piece in self._files.open(key)])
        try:
            try:
                result = await self._call(method, params, (name, content))
            except BadRequest as error:
                if method != "sendPhoto" or not _REFUSED_PHOTO.search(str(error)):
                    raise
                result = await self._call("sendDocument", params, (name, content))  # too long and narrow, or broken
        except Exception as error:
            raise translate(error) from error
        return _message_id(result)

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._client.download(attachment.ref)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as error:
            raise unfetched(error) from error

    async def close(self) -> None:
        """Close the connections. Neither ``run`` nor ``send`` may be called afterwards."""
        await self._client.close()

    async def _call(self, method: str, params: dict[str, object], upload: tuple[str, bytes] | None = None) -> Any:
        async def call(params: dict[str, object]) -> Any:
            if upload is None:
                return await self._client.call(method, params)
            return await self._client.upload(method, params, _FIELDS[method], *upload)

        try:
            return await call(params)
        except ChatMigrated as moved:
            log.warning("chat %s has become the supergroup %s", params.get("chat_id"), moved.new_chat_id)
            # A topic or a message of the old group means nothing in the new one.
            kept = {k: v for k, v in params.items() if k not in {"message_thread_id", "reply_parameters"}}
            return await call({**kept, "chat_id": moved.new_chat_id})

    async def _me(self) -> Me:
        match await self._client.call("getMe", {}):
            case {"id": int(number), "username": str(username)}:
                return Me(number, username)
            case _:
                raise TelegramError("The answer to getMe does not describe a bot")

    async def _take(self, number: int, update: Mapping[str, object], me: Me, receive: Receive) -> None:
        try:
            message = to_inbound(update, me, self._clock())
        except Exception as error:  # whatever it is: it would be the same the next time, and nothing else would get by
            log.warning("update %d was skipped, it cannot be read: %s", number, _reason(error))
            return
        if message is None:
            log.debug("update %d is not for the bot: %s", number, ", ".join(map(str, update)))
            return
        await receive(message)
        if message.action is not None:
            await self._stop_spinner(message)

    async def _stop_spinner(self, press: InboundMessage) -> None:
        """Only a courtesy: the press itself has been received."""
        try:
            params: dict[str, object] = {"callback_query_id": press.message_id.removeprefix("press:")}
            await self._client.call("answerCallbackQuery", params, within=3)
        except TelegramError as error:
            log.info("a button press was not answered: %s", error)

    def _pause_after(self, failures: int, error: Exception) -> float:
        if isinstance(error, FloodError):
            return error.wait.total_seconds()
        jitter = random.uniform(0.5, 1)  # noqa: S311 - no secret
        return jitter * min(LONGEST_PAUSE, self._pause * 2.0 ** min(failures - 1, 16))


def _reason(error: Exception) -> str:
    """A foreign error may quote the message, which is nobody's business in a log."""
    known = isinstance(error, FirstlineError | TelegramError | UnreadableError)
    return str(error) if known else type(error).__name__


def _numbered(batch: Sequence[Any]) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The updates in ascending order. Raises TelegramError at the end if none had a number: none could be confirmed."""
    numbered = {}
    for update in batch:
        match update:
            case {"update_id": int(number)}:
                numbered[number] = update
            case _:
                log.warning("an update without update_id was skipped")
    for number in sorted(numbered):
        yield number, numbered[number]
    if batch and not numbered:
        raise TelegramError("No update of this batch has an update_id")


def _message_id(result: object) -> str:
    match result:
        case {"message_id": int(number)}:
            return str(number)
        case _:
            # Sent, but nobody knows as what.
            raise DeliveryError("Telegram did not say which message it sent.", uncertain=True)
