"""The use case of accepting a message: stored once and for good, before any platform hears that it has arrived.

It must not understand the message; that is the worker's part, and may fail without a message being lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from bot.desk.lanes import FETCH, HANDLE
from bot.files.names import harmless, one_line
from bot.model import ChatRef, InboundMessage, Mode
from bot.observing import Observe, observed, unobserved
from bot.ports import ChatAdapter, Clock, Engine, ShowsWorking
from bot.storage.inbox import Accepted
from bot.storage.moves import move
from bot.storage.store import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Receiver:
    """``burst``: no turn begins before somebody has been silent for so long, so that nobody has to look before.

    ``for_staff`` says whether staff sit in a chat.
    """

    store: Store
    engine: Engine
    clock: Clock
    observe: Observe = unobserved
    burst: timedelta = timedelta()
    adapters: Mapping[str, ChatAdapter] = field(default_factory=dict)
    for_staff: Callable[[ChatRef], bool] = lambda chat: False  # noqa: ARG005 - a default that fits the type

    async def __call__(self, message: InboundMessage) -> None:
        """Returns once the message is durable; a duplicate is a quiet success, and so is what was overheard where nobody talks to
        the bot. Raises DatabaseError: deliver it again.
        """
        if message.moved_to is not None:
            await asyncio.shield(asyncio.create_task(self._moved(message.chat, message.moved_to)))
            return
        if message.overheard and not await self._talking(message.chat):
            return
        # Shielded: a caller that is cancelled midway must not leave a half-open transaction behind that holds up all others.
        with observed(self.observe, "accept", message.chat.adapter) as step:
            accepted = await asyncio.shield(asyncio.create_task(self._stored(message)))
            step.outcome = "accepted" if accepted else "repeated"
            step.correlation = accepted.correlation if accepted else None
        if accepted is not None and accepted.mode is not Mode.HUMAN and not self.for_staff(message.chat):
            self._show(message.chat)
        log.info(
            f"message_{step.outcome}",
            conversation=accepted.conversation_id if accepted else None,
            correlation=step.correlation,
            message=message.message_id,
            **_shape(message),
        )

    def _show(self, chat: ChatRef) -> None:
        """That a reply is being worked on."""
        adapter = self.adapters.get(chat.adapter)
        if adapter is not None and isinstance(adapter, ShowsWorking):
            adapter.working(chat)

    async def _talking(self, chat: ChatRef) -> bool:
        async with self.store.snapshot() as session:
            return await session.conversations.find(chat) is not None

    async def _moved(self, old: ChatRef, chat_id: str) -> None:
        async with self.store.transaction() as session:
            await move(session.connection, old, chat_id, self.clock())
        log.info("chat_moved", adapter=old.adapter)

    async def _stored(self, message: InboundMessage) -> Accepted | None:
        # From here on nobody ever sees the name that the sender has given a file, or themselves if it is more than a name.
        files = tuple(replace(file, name=harmless(file.name, file.media_type)) for file in message.attachments)
        sender = replace(message.sender, name=one_line(message.sender.name) or message.sender.id)
        message = replace(message, attachments=files, sender=sender)
        async with self.store.transaction() as session:
            now = self.clock()
            accepted = await session.inbox.accept(message, now)
            if accepted is not None:
                for attachment in await session.attachments.expect(accepted.conversation_id, message, now):
                    await self.engine.wake(session, FETCH, str(attachment))
                alone = message.action is not None or self.for_staff(message.chat)
                delay = timedelta() if alone else self.burst
                await self.engine.wake(session, HANDLE, accepted.conversation_id, delay)
        return accepted


def _shape(message: InboundMessage) -> Mapping[str, object]:
    """What may be logged of a message: never its words."""
    return {"adapter": message.chat.adapter, "characters": len(message.text), "attachments": len(message.attachments)}
