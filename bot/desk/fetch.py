"""Fetches the files that came with accepted messages, each in a lane of its own, so that none ever holds up a conversation.

Fetching and keeping happen outside any transaction; then one transaction marks the file. A crash before it is made good by fetching
once more: the same content is kept under the same key. It must not know any platform.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from bot.catalogue.catalogue import Catalogue
from bot.desk.saying import UnsayableError, address_of, say
from bot.desk.watch import Watch, concerned
from bot.dialogue.speak import notice
from bot.errors import DeliveryError, ElsewhereError, FilesError
from bot.files.contents import Inspector, RefusedError
from bot.files.names import harmless
from bot.logs import redacted, told
from bot.model import Attachment, Author, ChatRef, Language, Mode, StaffAlert
from bot.observing import Observe, Step, observed, unobserved
from bot.ports import ChatAdapter, Clock, Engine, Files, FileSource
from bot.storage.attachments import ERASING, EXPECTED, FAILED, REFUSED, STORED, Filed
from bot.storage.store import Session, Store

log = structlog.get_logger(__name__)

BASE = timedelta(seconds=5)
CAP = timedelta(minutes=30)
GIVE_UP_AFTER = timedelta(hours=24)
WRONG_CLOCK = timedelta(minutes=10)
"""By how much the clocks of two processes may differ at most, and more."""
WITHIN = 600.0
"""Seconds that one file may take."""


@dataclass(frozen=True)
class Fetcher:
    """Handles the lanes of the kind FETCH, which are ids of attachments. ``most`` is in bytes, ``jitter`` gives 0 to 1."""

    store: Store
    engine: Engine
    adapters: Mapping[str, ChatAdapter]
    files: Files
    catalogue: Callable[[], Catalogue]
    clock: Clock
    most: int
    default_language: Language
    jitter: random.Random
    watch: Watch = field(default_factory=Watch)
    observe: Observe = unobserved
    for_staff: Callable[[ChatRef], bool] = lambda chat: False  # noqa: ARG005 - a default that fits the type

    async def __call__(self, lane: str) -> timedelta | None:
        """Fetch, or remove, one file. Returns when to try again, None when there is nothing left to do about it.

        Raises ElsewhereError.
        """
        async with self.store.snapshot() as session:
            filed = await session.attachments.get(int(lane))
        if filed is None or filed.state not in (EXPECTED, ERASING):
            return None
        if filed.retry_at is not None and (wait := filed.retry_at - self.clock()) > timedelta():
            return wait
        if filed.state == ERASING:
            await remove(self.store, self.files, filed)
            return None
        adapter = self.adapters.get(filed.adapter)
        if adapter is None:
            raise ElsewhereError(filed.adapter)
        with observed(self.observe, "fetch", filed.adapter) as step:
            step.attempt = filed.attempts + 1
            return await self._tried(filed, adapter, step)

    async def _tried(self, filed: Filed, adapter: ChatAdapter, step: Step) -> timedelta | None:
        try:
            async with asyncio.timeout(WITHIN):
                await self._fetch(filed, adapter)
            step.outcome = STORED
        except RefusedError as error:
            await self._given_up(filed, REFUSED, error.reason, str(error))
            step.outcome = REFUSED
        except DeliveryError as error:
            return await self._not_fetched(filed, error, step)
        except (FilesError, TimeoutError) as error:
            return await self._not_fetched(filed, DeliveryError(str(error) or "It took too long."), step)
        except Exception as error:
            log.error("fetch_broke", attachment=filed.id, error=told(error))
            return await self._not_fetched(filed, DeliveryError(repr(error)), step)
        return None

    async def _fetch(self, filed: Filed, adapter: ChatAdapter) -> None:
        if not isinstance(adapter, FileSource):
            raise DeliveryError(f"No files come through {adapter.name}.", permanent=True)
        if filed.size is not None and filed.size > self.most:
            raise RefusedError("too_large")
        inspector = Inspector(self.most)
        async with aclosing(adapter.fetch(Attachment(filed.name, filed.told, filed.size, filed.ref))) as chunks:
            key = await self.files.put(filed.conversation_id, inspector.passing(chunks))
        finding = inspector.finding(filed.name, filed.told)
        async with self.store.transaction() as session:
            # A turn that ends meanwhile finds the file there when it is told, or this finds the turn: never neither.
            await session.conversations.get(filed.conversation_id, lock=True)
            stored = await session.attachments.settle(
                filed,
                STORED,
                self.clock(),
                name=harmless(filed.name, finding.media_type),
                found=finding.media_type,
                size=finding.size,
                hash=key.rpartition("/")[2],
                danger=finding.danger,
                error=None,
            )
            filed = await session.attachments.get(filed.id) or filed  # it may have come to a ticket meanwhile
            if stored:
                data = {"size": finding.size, "media_type": finding.media_type, "danger": finding.danger}
                await self._event(session, filed, "file_stored", data, await _told_with(session, filed))
        if stored:
            log.info("file_stored", attachment=filed.id, attempt=filed.attempts + 1, bytes=finding.size)
        else:
            await self._not_wanted(key, filed)

    async def _not_wanted(self, key: str, filed: Filed) -> None:
        """It was erased while it was under way, unless another process has fetched it at the same time."""
        async with self.store.snapshot() as session:
            kept = await session.attachments.of_conversation(filed.conversation_id)
        if key not in {each.key for each in kept if each.state == STORED}:
            await self.files.remove(key)

    async def _not_fetched(self, filed: Filed, error: DeliveryError, step: Step) -> timedelta | None:
        now = self.clock()
        if error.permanent or now - (filed.retried_at or filed.created_at) > GIVE_UP_AFTER:
            await self._given_up(filed, FAILED, "failed", redacted(str(error)))
            step.outcome = FAILED
            return None
        ceiling = min(CAP, BASE * 2.0 ** min(filed.attempts, 16))
        delay = error.retry_after or max(ceiling * self.jitter.random(), timedelta(seconds=1))
        async with self.store.transaction() as session:
            await session.attachments.put_off(filed, redacted(str(error)), now + delay)
        step.outcome = "put_off"
        log.warning(
            "fetch_put_off", attachment=filed.id, attempt=filed.attempts + 1, error=str(error), again=delay.seconds
        )
        return delay

    async def _given_up(self, filed: Filed, state: str, reason: str, error: str) -> None:
        """Staff see it with the ticket; the customer hears of it too, unless a person has the word, who then tells them."""
        async with self.store.transaction() as session:
            conversation = await session.conversations.get(filed.conversation_id, lock=True)
            filed = await session.attachments.get(filed.id) or filed  # it may have come to a ticket meanwhile
            if not await session.attachments.settle(filed, state, self.clock(), error=error):
                return
            ticket = await session.tickets.get(filed.ticket) if filed.ticket is not None else None
            await self._event(session, filed, f"file_{state}", {"error": error})
            if ticket is not None:
                alert = StaffAlert("file_missing", ticket.number, to=concerned(ticket), text=filed.name)
                await self.watch.alert(session, alert, conversation.id, self.clock())
            known = self.for_staff(conversation.chat) or filed.retried_at is not None
            # What people have put back and fails again is theirs: the customer has been told.
            if conversation.mode is not Mode.HUMAN and not known:
                language = conversation.language or self.default_language
                size = str(self.most >> 20)
                address = await address_of(session, conversation)
                reply = notice(
                    self.catalogue(),
                    language,
                    f"file.{reason}",
                    "",
                    address=address,
                    file=filed.name,
                    size=size,
                )
                with suppress(UnsayableError):  # staff see it all the same
                    await say(
                        session,
                        self.engine,
                        self.adapters,
                        conversation,
                        reply,
                        author=Author.NOTICE,
                        key=f"file:{filed.id}",
                        correlation=conversation.id,
                        now=self.clock(),
                    )
        log.warning(f"file_{state}", attachment=filed.id, error=error)

    async def _event(
        self, session: Session, filed: Filed, kind: str, data: Mapping[str, object], ticket: int | None = None
    ) -> None:
        await session.events.add(
            kind,
            actor="bot",
            now=self.clock(),
            conversation_id=filed.conversation_id,
            ticket=ticket or filed.ticket,
            data={"attachment": filed.id, "file": filed.name, **data},
        )


async def _told_with(session: Session, filed: Filed) -> int | None:
    """The ticket in whose thread staff read the message that the file came with, even if the bot has answered it."""
    if filed.ticket is not None or filed.inbox_id is None:
        return filed.ticket
    turn = await session.events.turn_of(filed.conversation_id, filed.inbox_id, filed.created_at - WRONG_CLOCK)
    return None if turn is None else turn.ticket


async def remove(store: Store, files: Files, filed: Filed) -> None:
    """Remove the bytes of an attachment that is being erased, unless another one needs them."""
    async with store.snapshot() as session:
        shared = await session.attachments.shared(filed)
    if filed.key is not None and not shared:
        await files.remove(filed.key)
    async with store.transaction() as session:
        await session.attachments.erased(filed)
