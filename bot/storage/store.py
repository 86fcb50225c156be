"""The store: transactions with one repository for each kind of record.

Every change of state goes through one ``Session``, which is one database transaction; wake-ups happen only after its commit.
It must not decide anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache, cached_property
from typing import Any, TypeVar, overload

from sqlalchemy import text

from bot.storage.attachments import Attachments
from bot.storage.connection import Connection
from bot.storage.consents import Consents
from bot.storage.conversations import Conversations
from bot.storage.customers import Customers
from bot.storage.database import Database
from bot.storage.erasure import Erasure
from bot.storage.events import Events
from bot.storage.figures import Figures
from bot.storage.inbox import Inbox
from bot.storage.incidents import Incidents
from bot.storage.outbox import Outbox
from bot.storage.prepared import Prepared, Question
from bot.storage.staff import Staff
from bot.storage.threads import Thread, Threads
from bot.storage.tickets import Tickets
from bot.storage.timers import Timers

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_G = TypeVar("_G")


@cache
def _known(statement: str) -> Prepared:
    return Prepared(text(statement))


class Session:
    """One transaction; its repositories read and write in it. Most transactions need two or three of them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._callbacks: list[Callable[[], None]] = []

    @cached_property
    def conversations(self) -> Conversations:
        return Conversations(self.connection)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self.connection)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.connection)

    @cached_property
    def tickets(self) -> Tickets:
        return Tickets(self.connection)

    @cached_property
    def events(self) -> Events:
        return Events(self.connection)

    @cached_property
    def customers(self) -> Customers:
        return Customers(self.connection)

    @cached_property
    def timers(self) -> Timers:
        return Timers(self.connection)

    @cached_property
    def consents(self) -> Consents:
        return Consents(self.connection)

    @cached_property
    def incidents(self) -> Incidents:
        return Incidents(self.connection)

    @cached_property
    def attachments(self) -> Attachments:
        return Attachments(self.connection)

    @cached_property
    def staff(self) -> Staff:
        return Staff(self.connection)

    @cached_property
    def threads(self) -> Threads:
        return Threads(self.connection)

    @cached_property
    def erasure(self) -> Erasure:
        return Erasure(self.connection)

    @cached_property
    def figures(self) -> Figures:
        return Figures(self.connection)

    async def thread_gone(self, thread: Thread, actor: str, now: datetime) -> None:
        """Somebody has deleted it. What is left to be said there follows once there is a new one, which the event brings about."""
        await self.threads.gone(thread)
        ticket = await self.tickets.get(thread.ticket)
        if ticket is not None:
            await self.events.add(
                "thread_gone", actor=actor, now=now, conversation_id=ticket.conversation_id, ticket=ticket.number
            )

    @overload
    async def ask(self, only: Question[_A], /) -> tuple[_A]: ...
    @overload
    async def ask(self, first: Question[_A], second: Question[_B], /) -> tuple[_A, _B]: ...
    @overload
    async def ask(
        self,
        first: Question[_A],
        second: Question[_B],
        third: Question[_C],
        fourth: Question[_D],
        fifth: Question[_E],
        sixth: Question[_F],
        seventh: Question[_G],
        /,
    ) -> tuple[_A, _B, _C, _D, _E, _F, _G]: ...
    async def ask(self, *questions: Question[Any]) -> tuple[Any, ...]:
        """One question, or several at once, which are answered one after the other."""
        answers = await self.connection.ask(*[(each.statement, each.parameters) for each in questions])
        return tuple(each.read(answer) for each, answer in zip(questions, answers, strict=True))

    def after_commit(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    async def tell(self, statement: str, parameters: Mapping[str, Any]) -> None:
        await self.connection.tell(_known(statement), parameters)

    def committed(self) -> None:
        for callback in self._callbacks:
            callback()


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.heed: Callable[[Session, str], Awaitable[None]] | None = None
        """Called before the commit of a transaction for each conversation of which staff may want to hear something."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Commit at the end of the block, roll back on an exception. Raises DatabaseError, ConflictError."""
        async with self._database.writing() as connection:
            session = Session(connection)
            yield session
            if self.heed is not None:
                for conversation_id in sorted(session.events.news):
                    await self.heed(session, conversation_id)
        session.committed()

    @asynccontextmanager
    async def snapshot(self, *, aside: bool = False) -> AsyncIterator[Session]:
        """Read only. ``aside``: it may take long, and nobody has to wait for it. Raises DatabaseError."""
        async with self._database.reading(aside=aside) as connection:
            yield Session(connection)

    async def ping(self) -> None:
        """Raises DatabaseError when the database cannot be used."""
        async with self._database.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._database.close()
