"""The Bolt app that every payload goes through, whichever way it came.

It must not know what arrives, only that it is acknowledged after it has been taken, or not at all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import FirstlineError

log = logging.getLogger(__name__)

Take = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]
JSON: dict[str, str | Sequence[str]] = {"content-type": "application/json; charset=utf-8"}


def app(client: AsyncWebClient, take: Take) -> AsyncApp:
    """A Bolt app that gives every payload to ``take`` and answers 200 once that has returned, else 503.

    It stands before Bolt's own authorisation, which would answer 200 to an event when it cannot reach Slack. Nothing
    is left to listeners: Bolt answers 404 to what none matches, and Slack would send that again and again. Who sends is
    not checked here: a socket is Slack's own, and for the web see ``webhook``.
    """

    async def persist(body: dict[str, Any]) -> BoltResponse:
        if body.get("type") == "url_verification":
            return BoltResponse(status=200, headers=JSON, body=json.dumps({"challenge": body.get("challenge")}))
        try:
            answer = await take(body)
        except Exception as error:
            # Only our own errors are known not to quote the message.
            reason = error if isinstance(error, FirstlineError) else type(error).__name__
            log.warning("not acknowledged, Slack will deliver it again: %s", reason)
            return BoltResponse(status=503)
        if answer is None:
            return BoltResponse(status=200)
        return BoltResponse(status=200, headers=JSON, body=json.dumps(answer))

    return AsyncApp(
        name="firstline",
        client=client,
        signing_secret="",
        before_authorize=persist,
        process_before_response=True,
        request_verification_enabled=False,
    )
