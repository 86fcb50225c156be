"""Asks Slack who somebody is and where to reach them, and remembers the answer.

It must not fail for what is only a courtesy: a name that cannot be had is no reason to turn a message away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.elements import Me, channel_of, chat_of, is_person
from adapters.slack.errors import error_code
from bot.errors import FirstlineError
from bot.model import InboundMessage

log = logging.getLogger(__name__)

WITHIN = 1.0
"""Seconds for each question, since Slack itself waits only three for the acknowledgement."""
REST = 60.0
"""Seconds without asking for names after one could not be had."""
REMEMBERED = 10_000
_UNKNOWN = frozenset({"user_not_found", "user_not_visible"})
_NEVER = _UNKNOWN | {"missing_scope", "user_disabled"}


class People:
    def __init__(self, client: AsyncWebClient, me: Me) -> None:
        self._client, self._me = client, me
        self._names: dict[str, str] = {}
        self._direct: dict[str, str] = {}
        self._asks_from = 0.0

    async def known(self, message: InboundMessage) -> InboundMessage:
        """The message with the name of whoever sent it, in the chat that it is to be answered in.

        Raises FirstlineError when that chat cannot be had just now.
        """
        user = message.sender.id.rpartition(":")[2]
        # With a press or a command Slack gives only the name that one signs in with.
        if (name := await self._name(user)) not in (None, user):
            message = replace(message, sender=replace(message.sender, name=name))
        if is_person(user := channel_of(message.chat.chat_id)):
            message = replace(message, chat=chat_of(self._me, await self._channel(user)))
        return message

    async def _name(self, user: str) -> str | None:
        if user in self._names or time.monotonic() < self._asks_from:
            return self._names.get(user)
        try:
            async with asyncio.timeout(WITHIN):
                answer = await self._client.api_call("users.info", data={"user": user})
        except Exception as error:
            if _reason(error) in _UNKNOWN:
                _remember(self._names, user, user)  # somebody of another workspace, perhaps; others have names
                return user
            log.info("a person's name could not be had: %s", _reason(error))
            self._asks_from = time.monotonic() + REST
            return None
        match answer.data:
            case {"user": {"profile": {"display_name": str(name)}}} if name.strip():
                pass
            case {"user": {"profile": {"real_name": str(name)}}} | {"user": {"real_name": str(name)}} if name.strip():
                pass
            case _:
                return None
        _remember(self._names, user, name.strip())
        return self._names[user]

    async def _channel(self, user: str) -> str:
        """The channel of the two. Where the app may not open it Slack takes the person in its place."""
        if user not in self._direct:
            try:
                async with asyncio.timeout(WITHIN):
                    answer = await self._client.api_call("conversations.open", data={"users": user})
            except Exception as error:
                if isinstance(error, SlackApiError) and error_code(error) in _NEVER:
                    log.warning("a direct chat cannot be opened: %s", _reason(error))
                    return user
                raise FirstlineError(f"A direct chat cannot be opened now: {_reason(error)}.") from error
            match answer.data:
                case {"channel": {"id": str(channel)}}:
                    _remember(self._direct, user, channel)
                case _:
                    raise FirstlineError("Slack did not say which direct chat it has opened.")
        return self._direct[user]


def _remember(things: dict[str, str], key: str, value: str) -> None:
    if len(things) >= REMEMBERED:
        del things[next(iter(things))]
    things[key] = value


def _reason(error: Exception) -> str:
    code = error_code(error) if isinstance(error, SlackApiError) else None
    return code or type(error).__name__
