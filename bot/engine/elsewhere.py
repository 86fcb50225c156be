"""An engine for a process that only writes: whatever runs the work finds it in the tables at its next sweep."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.ports import Transaction


class ElsewhereEngine:
    async def wake(self, transaction: Transaction, kind: str, lane: str, delay: timedelta = timedelta()) -> None:
        """Nothing runs in this process that could be woken."""

    async def run(self) -> None:
        await asyncio.Event().wait()
