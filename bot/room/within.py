"""The store of use cases that take part in a transaction which somebody else has begun, and will end.

What one of them has written is undone if it fails, without the rest. It must not know any use case.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.storage.store import Session


@dataclass(frozen=True, slots=True)
class Within:
    session: Session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        async with self.session.connection.begin_nested():
            yield self.session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Session]:
        yield self.session
