"""What is done beside the conversation: the pressed button is shown as chosen, the home tab is drawn.

Nothing waits for it, and it may fail without harm: it is tried once, and then when there is the next occasion.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.elements import Fields, Me, chat_of, person_of
from adapters.slack.views import chosen, home
from bot.model import ChatRef, InboundMessage, Person
from bot.ports import Home

log = logging.getLogger(__name__)

AT_ONCE = 100
"""So many are under way at most; what comes on top is left out, since the conversation comes first."""


class Courtesies:
    def __init__(self, client: AsyncWebClient, me: Me, page: Home | None) -> None:
        self._client, self._me, self._page = client, me, page
        self._under_way: set[asyncio.Task[None]] = set()

    def follow(self, payload: Fields, message: InboundMessage | None) -> None:
        """Do what belongs to ``payload``, of which ``message`` has been taken. Returns at once."""
        match payload:
            case {"type": "block_actions", "container": {"channel_id": str(channel), "message_ts": str(ts)}} if (
                message and channel not in self._me.staff  # there the core itself changes what has buttons
            ):
                shown = payload.get("message")
                if isinstance(shown, Mapping):
                    self._begin(self._show_chosen(channel, ts, shown, payload["actions"][0]))
            case {
                "type": "event_callback",
                "event": {"type": "app_home_opened", "user": str(user), "channel": str(channel), **event},
            } if event.get("tab") in ("home", None) and self._page is not None:
                person = person_of(user, {"team": payload.get("team_id")}, self._me)
                self._begin(self._show_home(self._page, user, chat_of(self._me, channel), person))

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin(self, courtesy: Coroutine[Any, Any, None]) -> None:
        if len(self._under_way) >= AT_ONCE:
            courtesy.close()
            return
        task = asyncio.create_task(courtesy)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.info("a courtesy was not done: %s", type(error).__name__)

    async def _show_chosen(self, channel: str, ts: str, shown: Fields, action: Fields) -> None:
        params = chosen(shown, action)
        if params is not None:
            await self._client.api_call("chat.update", json={"channel": channel, "ts": ts, **params})

    async def _show_home(self, page: Home, user: str, chat: ChatRef, person: Person) -> None:
        view = home(await page(chat, person))
        await self._client.api_call("views.publish", json={"user_id": user, "view": view})
