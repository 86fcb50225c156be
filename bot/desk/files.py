"""What staff do with files: put one to a ticket, let a dangerous one pass, and choose those that are sent to the customer.

Nothing here reaches a customer by itself. It must not know any platform, nor what is in a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.errors import FirstlineError
from bot.files.contents import Inspector
from bot.files.names import harmless
from bot.model import File, Person, Ticket, ticket_key
from bot.ports import Clock, Files
from bot.storage.attachments import Filed
from bot.storage.store import Session, Store


class AttachmentError(FirstlineError):
    """This cannot be done with this file."""


@dataclass(frozen=True)
class FileDesk:
    """``most`` is the size of the largest file that is taken, in bytes."""

    store: Store
    files: Files
    clock: Clock
    most: int

    async def add(self, number: int, staff: Person, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> int:
        """Keep a file of ``staff`` with the ticket ``number``; its id. Raises AttachmentError, RefusedError, FilesError."""
        async with self.store.snapshot() as session:
            ticket = await _ticket(session, number)
            conversation = await session.conversations.get(ticket.conversation_id)
        inspector = Inspector(self.most)
        key = await self.files.put(conversation.id, inspector.passing(chunks))
        finding, now = inspector.finding(name, media_type), self.clock()
        name = harmless(name, finding.media_type or media_type)
        async with self.store.transaction() as session:
            attachment = await session.attachments.add(
                conversation.id,
                number,
                adapter=conversation.chat.adapter,
                staff=staff.id,
                name=name,
                told=media_type,
                found=finding.media_type,
                size=finding.size,
                hash_=key.rpartition("/")[2],
                danger=finding.danger,
                now=now,
            )
            await session.events.add(
                "file_added",
                actor=f"staff:{staff.id}",
                now=now,
                conversation_id=conversation.id,
                ticket=number,
                data={
                    "name": staff.name,
                    "attachment": attachment,
                    "file": name,
                    "size": finding.size,
                    "danger": finding.danger,
                },
            )
        return attachment

    async def release(self, attachment: int, staff: Person) -> Filed:
        """``staff`` has decided that a dangerous file may be passed on. Raises AttachmentError."""
        async with self.store.transaction() as session:
            filed = await session.attachments.get(attachment)
            if filed is None or filed.file is None:
                raise AttachmentError(f"There is no file {attachment} that could be released.")
            await release(session, filed, staff, self.clock())
        return filed

    async def open(self, attachment: int) -> tuple[Filed, AsyncIterator[bytes]]:
        """A file and its content, for somebody of staff who asks for it. Raises AttachmentError."""
        async with self.store.snapshot() as session:
            filed = await session.attachments.get(attachment)
        if filed is None or filed.file is None:
            raise AttachmentError(f"There is no file {attachment} to look at: {filed.state if filed else 'unknown'}.")
        return filed, self.files.open(filed.file.key)


async def release(session: Session, filed: Filed, staff: Person, now: datetime) -> None:
    """Let a file pass that may do harm, and record who has decided that; one that does none needs no release."""
    if not filed.held:
        return
    await session.attachments.release(filed.id, staff.id)
    await session.events.add(
        "file_released",
        actor=f"staff:{staff.id}",
        now=now,
        conversation_id=filed.conversation_id,
        ticket=filed.ticket,
        data={"name": staff.name, "attachment": filed.id, "file": filed.name, "danger": filed.danger},
    )


async def passed_on(session: Session, ticket: Ticket, attachments: Sequence[int]) -> tuple[File, ...]:
    """These files of the ticket, in this order, as they may be sent to its customer.

    Raises AttachmentError for what is no file of this ticket, is not here, or is dangerous and has not been released.
    """
    files = []
    for number in attachments:
        filed = await session.attachments.get(number)
        if filed is None or (filed.ticket != ticket.number and filed.conversation_id != ticket.conversation_id):
            raise AttachmentError(f"File {number} does not belong to {ticket.key}.")
        if filed.file is None:
            raise AttachmentError(f"File {number} ({filed.name}) cannot be sent, it is {filed.state}.")
        if filed.held:
            raise AttachmentError(
                f"File {number} ({filed.name}) may do harm ({filed.danger}) and must be released first."
            )
        files.append(filed.file)
    return tuple(files)


def mark(filed: Filed) -> str:
    """What staff should see of a file besides its name, in a word; empty when there is nothing to say."""
    if filed.state == "stored":
        return "" if filed.danger is None else f"{filed.danger}{', released' if filed.released_by else ''}"
    return filed.state


async def _ticket(session: Session, number: int) -> Ticket:
    ticket = await session.tickets.get(number)
    if ticket is None:
        raise AttachmentError(f"There is no ticket {ticket_key(number)}.")
    return ticket
