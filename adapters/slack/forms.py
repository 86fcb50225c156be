"""Opens a form when a button has been pressed that has one: within the seconds in which Slack lets an app do that.

It must not know what a form is about, nor what becomes of it.
"""

from __future__ import annotations

import asyncio
import logging

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack import views
from adapters.slack.elements import Fields, Me, UnreadableError, channel_of
from adapters.slack.errors import error_code, translate
from adapters.slack.interactions import press
from bot.errors import DeliveryError, FirstlineError
from bot.ports import Forms as FormOf

log = logging.getLogger(__name__)

WITHIN = 1.0
"""Seconds for each of two steps, since Slack itself waits only three."""
_OPEN_ALREADY = "exchanged_trigger_id"


class Forms:
    def __init__(self, client: AsyncWebClient, me: Me, form_of: FormOf | None) -> None:
        self._client, self._me, self._form_of = client, me, form_of

    async def opened(self, payload: Fields) -> bool:
        """Whether a form is shown in answer to ``payload``, so that nothing else needs to be done about it.

        Nothing is stored then, because nothing has been ordered yet. Raises FirstlineError where nobody knows whether it is shown:
        whoever has pressed sees that it failed, or Slack says at the next attempt.
        """
        match payload:
            case {"type": "block_actions", "trigger_id": str(trigger)} if self._form_of is not None and self._me.staff:
                pass
            case _:
                return False
        try:
            message = press(payload, self._me)
            if message is None or channel_of(message.chat.chat_id) not in self._me.staff:
                return False
            async with asyncio.timeout(WITHIN):
                form = await self._form_of(message)
        except (UnreadableError, TimeoutError, OverflowError, OSError):
            return False  # the press itself goes on, or is told to be unreadable
        if form is None:
            return False
        try:
            async with asyncio.timeout(WITHIN):
                view = views.form(form, message.chat)
                await self._client.api_call("views.open", json={"trigger_id": trigger, "view": view})
        except Exception as error:
            if isinstance(error, SlackApiError) and error_code(error) == _OPEN_ALREADY:
                return True
            failure: DeliveryError = translate(error)
            if failure.uncertain:
                raise FirstlineError("Nobody knows whether a form is open.") from error
            log.warning("a form could not be opened: %s", failure)
            return False
        return True
