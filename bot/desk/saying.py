"""Puts what is to be said into the outbox, rendered by the adapter of the chat. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.desk.lanes import DELIVER
from bot.dialogue.voice import Reply
from bot.errors import FirstlineError
from bot.model import Address, Author, Conversation, OutboundMessage
from bot.ports import ChatAdapter, Engine
from bot.storage.outbox import Draft
from bot.storage.store import Session


async def address_of(session: Session, conversation: Conversation) -> Address:
    """How the customer of ``conversation`` is spoken to."""
    known = conversation.organisation
    organisation = await session.customers.get(known) if known is not None else None
    return organisation.address if organisation is not None else "sie"


class UnsayableError(FirstlineError):
    """The platform's adapter cannot show this text."""


async def say(
    session: Session,
    engine: Engine,
    adapters: Mapping[str, ChatAdapter],
    conversation: Conversation,
    reply: Reply,
    *,
    author: Author,
    key: str,
    correlation: str,
    now: datetime,
    due_at: datetime | None = None,
    edit_of: str | None = None,
) -> None:
    """One outbox row for each part. ``key`` is unique to this saying: a second time is refused by the database.

    ``due_at``: not sent before then. ``edit_of``: the platform's id of the message that it replaces.

    Raises UnsayableError, before anything is written, when the adapter cannot render it.
    """
    adapter = adapters.get(conversation.chat.adapter)
    if adapter is None:
        raise UnsayableError(
            f"The adapter {conversation.chat.adapter!r} is not set up here: name it in FIRSTLINE_ADAPTERS, with its tokens."
        )
    try:
        message = OutboundMessage(
            conversation.chat, reply.text, reply.buttons, edit_of=edit_of, attachments=reply.files
        )
        parts = adapter.render(message)
    except Exception as error:
        raise UnsayableError(f"{adapter.name} cannot show a reply: {error!r}") from error
    said = "\n".join([*([reply.text] if reply.text.strip() else []), *(f"[{file.name}]" for file in reply.files)])
    drafts = tuple(
        Draft(f"{key}:{n}", conversation.id, author, part, said if n == 0 else "", correlation, due_at=due_at)
        for n, part in enumerate(parts)
    )
    await session.outbox.add(drafts, now)
    await engine.wake(session, DELIVER, conversation.chat.lane)
