"""Takes updates one by one, from whichever way they come: read, received, then acknowledged by whoever brought them.

It must not know whether they are fetched or brought.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from telegram.error import TelegramError

from adapters.telegram.courtesies import Courtesies
from adapters.telegram.inbound import Me, UnreadableError, to_inbound
from bot.errors import FirstlineError
from bot.model import Command
from bot.ports import Clock, Receive

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    """``commands`` are known by name; ``staff`` are the ids of the chats in which staff sit."""

    me: Me
    receive: Receive
    clock: Clock
    courtesies: Courtesies
    commands: Mapping[str, Command]
    staff: Collection[str] = ()

    async def take(self, update: Mapping[str, Any]) -> None:
        """Returns once whatever the update says is durable, or says nothing to the bot. Raises what ``receive`` raises."""
        number = update.get("update_id")
        try:
            message = to_inbound(update, self.me, self.clock(), self.commands, self.staff)
        except Exception as error:  # whatever it is: it would be the same the next time, and nothing else would get by
            log.warning("update %s was skipped, it cannot be read: %s", number, reason(error))
            return
        if message is not None:
            await self.receive(message)
        else:
            log.debug("update %s is not for the bot: %s", number, ", ".join(map(str, update)))
        match update:
            case {"callback_query": {"id": str()} as query}:
                among_staff = message is not None and message.chat.chat_id in self.staff
                self.courtesies.pressed(query, lasting=among_staff)


def reason(error: Exception) -> str:
    """A foreign error may quote the message, which is nobody's business in a log."""
    known = isinstance(error, FirstlineError | TelegramError | UnreadableError)
    return str(error) if known else type(error).__name__
