"""Asks Slack whether it has a message of ours, by the mark that every message carries.

It must not know why anybody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errors import error_code, translate
from bot.errors import DeliveryError

KIND = "firstline_part"
PAGE = 200
PAGES = 5
"""So far back is looked: a send is asked after within minutes."""
_CANNOT_SAY = frozenset({"channel_not_found", "missing_scope", "not_in_channel", "thread_not_found"})


def marked(params: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The arguments of a call, with the mark; readers do not see it."""
    return {**params, "metadata": {"event_type": KIND, "event_payload": {"key": key}}}


async def sent(client: AsyncWebClient, channel: str, thread: str | None, key: str) -> str | None:
    """The ts of the message that carries ``key``; None when there is none.

    Raises DeliveryError, permanent when Slack will not say, because the app lacks the scope or is not in the channel.
    """
    cursor = ""
    for _ in range(PAGES):
        asked = {"channel": channel, "limit": str(PAGE), "include_all_metadata": "true"}
        asked |= {"cursor": cursor} if cursor else {}
        try:
            if thread is None:
                answer = await client.api_call("conversations.history", data=asked)
            else:
                answer = await client.api_call("conversations.replies", data={**asked, "ts": thread})
        except SlackApiError as error:
            if error_code(error) in _CANNOT_SAY:
                raise DeliveryError(f"Slack will not say what it has: {error_code(error)}", permanent=True) from error
            raise _later(translate(error)) from error
        except Exception as error:
            raise _later(translate(error)) from error
        for message in answer.get("messages") or ():
            match message:
                case {"ts": str(ts), "metadata": {"event_type": str(kind), "event_payload": {"key": found}}}:
                    if (kind, found) == (KIND, key):
                        return ts
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return None
    return None


def _later(failure: DeliveryError) -> DeliveryError:
    """Asking changes nothing, so however it failed, it can be asked again."""
    return DeliveryError(str(failure), retry_after=failure.retry_after)
