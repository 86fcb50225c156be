"""A ticket as plain JSON: for archives, other systems, and whoever asks for all that is known. It leaves nothing out."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from bot.desk.audit import audit
from bot.desk.view import view_of
from bot.storage.store import Store


async def exported(store: Store, number: int, now: datetime) -> dict[str, Any]:
    """Raises TicketError when there is no such ticket."""
    async with store.snapshot() as session:
        view = await view_of(session, number, now)
        entries = await audit(session, number)
    organisation = view.organisation
    plain: dict[str, Any] = _plain(
        {
            "ticket": {"key": view.ticket.key, **asdict(view.ticket)},
            "chat": asdict(view.conversation.chat),
            "mode": view.conversation.mode,
            "language": view.conversation.language,
            "customer": None if organisation is None else {"number": organisation.number, "name": organisation.name},
            "contract": view.contract.number if view.contract else None,
            "understood": view.understood,
            "talk": [asdict(line) for line in view.talk],
            "consents": [asdict(consent) for consent in view.consents],
            "audit": [asdict(entry) for entry in entries],
        }
    )
    return plain


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | frozenset():
            return [_plain(item) for item in value]
    return value
