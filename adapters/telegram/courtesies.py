"""What is nice to show and may be missing: "typing...", a button that stops spinning, a mark on the one that was pressed, a card
that stays in sight.

Nothing here may fail anything else or hold it up. It must not know what a button stands for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from telegram.error import TelegramError

from adapters.telegram.client import Client
from adapters.telegram.outbound import PRESSED, where
from bot.model import ChatRef

log = logging.getLogger(__name__)

WITHIN = 3.0  # seconds that a courtesy may take
SHOWN_FOR = 4.0  # seconds after which "typing..." has to be shown again; Telegram takes it away after five
MOST = 200  # courtesies under way at once; when Telegram is slow, the rest is left out


class Courtesies:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown: dict[str, float] = {}

    def working(self, chat: ChatRef) -> None:
        now = asyncio.get_running_loop().time()
        self._shown = {key: at for key, at in self._shown.items() if now - at < SHOWN_FOR}
        key = f"{chat.chat_id}/{chat.thread_id or ''}"
        if key not in self._shown:
            self._shown[key] = now
            self._do(self._call("sendChatAction", {**where(chat), "action": "typing"}))

    def pressed(self, query: Mapping[str, Any], *, lasting: bool = False) -> None:
        """Stop the spinner; of buttons that are not ``lasting`` only the pressed one stays, marked and without effect."""
        self._do(self._pressed(query, lasting=lasting))

    def pin(self, chat: ChatRef, message: int) -> None:
        """Keep a card in sight, if the bot may."""
        params = {"chat_id": where(chat)["chat_id"], "message_id": message, "disable_notification": True}
        self._do(self._call("pinChatMessage", params))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pressed(self, query: Mapping[str, Any], *, lasting: bool) -> None:
        await self._call("answerCallbackQuery", {"callback_query_id": query["id"]})
        if lasting:
            return
        match query:
            case {
                "data": str(data),
                "message": {
                    "message_id": int(number),
                    "chat": {"id": int(chat)},
                    "reply_markup": {"inline_keyboard": [*rows]},
                },
            } if data != PRESSED:
                buttons = [button for row in rows if isinstance(row, list) for button in row]
                for button in buttons:
                    match button:
                        case {"text": str(label), "callback_data": str(key)} if key == data:
                            marked = {"text": f"✓ {label}", "callback_data": PRESSED}
                            markup = {"inline_keyboard": [[marked]]}
                            params = {"chat_id": chat, "message_id": number, "reply_markup": markup}
                            await self._call("editMessageReplyMarkup", params)
                            return

    async def _call(self, method: str, params: dict[str, object]) -> None:
        try:
            await self._client.call(method, params, within=WITHIN)
        except TelegramError as error:
            log.info("%s was not done: %s", method, error)

    def _do(self, courtesy: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= MOST:
            courtesy.close()
            return
        task = asyncio.create_task(courtesy)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a courtesy failed: %s", type(error).__name__)
