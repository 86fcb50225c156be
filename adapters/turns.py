"""Lets in what belongs together one after the other, first come, first served, and the rest side by side.

It must not know what it lets in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Turns:
    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}
        self._over = asyncio.Event()
        self._over.set()

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Nobody else with the same ``key`` is in the block."""
        turn = self._turns.setdefault(key, _Turn())
        turn.wanted += 1
        self._over.clear()
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]
            if not self._turns:
                self._over.set()

    async def over(self) -> None:
        """Wait until nobody is in a block or waits for it."""
        await self._over.wait()
