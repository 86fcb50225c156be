"""Telegram's flood limits: what all chats share is waited for here, what a chat has for itself is told to the outbox.

It must not know what is sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bot.model import Limits, Part

EVERYWHERE = 1 / 30  # seconds between two sends, whatever their chats
IN_A_GROUP = 3.0  # 20 a minute, which all topics of a group share


_MESSAGES = {"sendMessage", "sendPhoto", "sendDocument", "createForumTopic"}


@dataclass(frozen=True, slots=True)
class TelegramLimits(Limits):
    """``in_a_group``: seconds between two messages in a group."""

    in_a_group: float = IN_A_GROUP

    def pace_after(self, part: Part) -> float:
        """Groups have negative numbers. What changes a message, or marks it, is none: the general pace is enough for it."""
        message = part.payload.get("method") in _MESSAGES
        return self.in_a_group if message and part.chat.chat_id.startswith("-") else self.pace


class Pace:
    """One process's share; where several processes send, Telegram's own 429 is the limit, and the outbox heeds it."""

    def __init__(self) -> None:
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until the next send may begin."""
        now = asyncio.get_running_loop().time()
        mine = max(now, self._next)
        self._next = mine + EVERYWHERE
        await asyncio.sleep(mine - now)
