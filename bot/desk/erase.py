"""Erases people: what they wrote, were told and sent, and that they were known. An anonymous event says that it was done.

The database is blanked in one transaction; the bytes of files go after it, and what a crash leaves of them is removed by the lane
that fetches. It must not know what a platform keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.desk.customers import CustomerError
from bot.desk.fetch import remove
from bot.ports import Files
from bot.storage.erasure import Found
from bot.storage.store import Session, Store


@dataclass(frozen=True, slots=True)
class Erased:
    """How much there was."""

    messages: int
    conversations: int
    files: int
    known: int


async def erase_person(
    store: Store, files: Files, adapter: str, user_id: str, now: datetime, *, actor: str, dry_run: bool = False
) -> Erased:
    """Erase one person on one platform. Raises CustomerError when nothing is known of them. ``dry_run``: only tell."""
    async with store.transaction() as session:
        found = await session.erasure.of_person(adapter, user_id)
        known = await session.customers.known_as(adapter, user_id)
        if not found.messages and not known:
            raise CustomerError(f"Nothing is known of {adapter}:{user_id}.")
        if dry_run:
            return _told(found, await _files(session, found), known)
        removable = await session.erasure.erase(found, (adapter, user_id), now)
        await session.erasure.forget_person(adapter, user_id)
        erased = _told(found, len(removable), known)
        await _event(session, erased, {"whose": "person", "adapter": adapter}, actor, now)
    await _remove(store, files, removable)
    return erased


async def erase_customer(
    store: Store, files: Files, number: str, now: datetime, *, actor: str, dry_run: bool = False
) -> Erased:
    """Erase everybody of the customer with this number; contracts and the name of the company stay. Raises CustomerError."""
    async with store.transaction() as session:
        organisation = await session.customers.numbered(number)
        if organisation is None:
            raise CustomerError(f"There is no customer {number!r}; `firstline customers list` shows them.")
        found = await session.erasure.of_organisation(organisation.id)
        known = sum(each.kind == "person" for each in await session.customers.known(organisation.id))
        if dry_run:
            return _told(found, await _files(session, found), known)
        removable = await session.erasure.erase(found, None, now)
        await session.erasure.forget_organisation(organisation.id)
        erased = _told(found, len(removable), known)
        await _event(session, erased, {"whose": "customer", "organisation": organisation.id}, actor, now)
    await _remove(store, files, removable)
    return erased


def _told(found: Found, files: int, known: int) -> Erased:
    return Erased(len(found.messages), len(found.whole) + len(found.shared), files, known)


async def _files(session: Session, found: Found) -> int:
    filed = [f for place in found.whole for f in await session.attachments.of_conversation(place)]
    shared = [f for place in found.shared for f in await session.attachments.of_conversation(place)]
    return len([f for f in filed if f.hash]) + len([f for f in shared if f.hash and f.inbox_id in found.messages])


async def _event(session: Session, erased: Erased, about: dict[str, str], actor: str, now: datetime) -> None:
    data = {**about, "messages": erased.messages, "conversations": erased.conversations, "files": erased.files}
    await session.events.add("erased", actor=actor, now=now, data=data)


async def _remove(store: Store, files: Files, attachments: tuple[int, ...]) -> None:
    for attachment in attachments:
        async with store.snapshot() as session:
            filed = await session.attachments.get(attachment)
        if filed is not None:
            await remove(store, files, filed)
