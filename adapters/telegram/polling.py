"""The way in where updates are fetched. Telegram is told that one has arrived by the next fetch, so only after it was received.

It must not know what updates mean.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from telegram.error import TelegramError

from adapters.telegram.client import Client
from adapters.telegram.inbound import KINDS
from adapters.telegram.intake import Intake

log = logging.getLogger(__name__)


class Polling:
    """``wait`` is how long Telegram holds a fetch open, in seconds."""

    def __init__(self, client: Client, wait: float) -> None:
        self._client, self._wait = client, wait
        self._offset = 0

    async def begin(self) -> None:
        """Telegram lets nobody fetch while it calls somebody; what has not been brought stays there to be fetched."""
        match await self._client.call("getWebhookInfo", {}):
            case {"url": str(url)} if url:
                log.warning("Telegram was calling another address; from now on updates are fetched")
                await self._client.call("deleteWebhook", {"drop_pending_updates": False})

    async def once(self, intake: Intake) -> None:
        """Fetch and take one batch. What is raised on the way leaves the rest of it to the next time."""
        for number, update in _numbered(await self._client.updates(self._offset, KINDS, self._wait)):
            await intake.take(update)
            self._offset = number + 1


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
