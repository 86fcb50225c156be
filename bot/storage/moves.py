"""A chat that goes on under another id: whatever finds it by the old one is rewritten, in the caller's transaction.

It must not know why chats move.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from bot.model import ChatRef
from bot.storage import tables
from bot.storage.codec import dump_chat, load_chat, storable
from bot.storage.connection import Connection
from bot.storage.events import Events
from bot.storage.outbox import OPEN

_conversation, _inbox, _outbox, _channel = tables.conversation, tables.inbox, tables.outbox, tables.channel


async def move(connection: Connection, old: ChatRef, chat_id: str, now: datetime) -> None:
    """Let everything of the chat ``old`` go on in ``chat_id``. A second time there is nothing left to do.

    The conversations' versions change, so that what is being decided about them is decided anew, for the new chat.
    """
    new = storable(chat_id)
    here = (_conversation.c.adapter == old.adapter, _conversation.c.chat_id == storable(old.chat_id))
    rows = (await connection.execute(select(_conversation).where(*here).order_by("id").with_for_update())).all()
    for row in rows:
        there = (_conversation.c.adapter == old.adapter, _conversation.c.chat_id == new)
        found = select(_conversation.c.id).where(*there, _conversation.c.thread_id == row.thread_id)
        if (begun := (await connection.execute(found)).scalar_one_or_none()) is not None:
            await _joined(connection, begun, row.id)
        await connection.execute(
            update(_conversation)
            .where(_conversation.c.id == row.id)
            .values(chat_id=new, version=_conversation.c.version + 1, updated_at=now)
        )
        data = {"from": old.chat_id, "to": chat_id, **({"joined": begun} if begun else {})}
        await Events(connection).add("chat_moved", actor=old.adapter, now=now, conversation_id=row.id, data=data)
    await _letters(connection, old, chat_id)
    await _binding(connection, old, new)


async def _joined(connection: Connection, begun: str, into: str) -> None:
    """Somebody wrote in the new chat before it was known to be one: what is not handled yet goes to the conversation that was
    there before, with its ticket and whoever has the word in it; the one that was begun is left behind.
    """
    waiting = select(_inbox.c.id).where(_inbox.c.conversation_id == begun, _inbox.c.state == "new")
    for message in (await connection.execute(waiting.order_by(_inbox.c.seq))).scalars().all():
        take = update(_conversation).where(_conversation.c.id == into).values(next_seq=_conversation.c.next_seq + 1)
        seq = (await connection.execute(take.returning(_conversation.c.next_seq))).scalar_one()
        await connection.execute(update(_inbox).where(_inbox.c.id == message).values(conversation_id=into, seq=seq))
        await connection.execute(
            update(tables.attachment).where(tables.attachment.c.inbox_id == message).values(conversation_id=into)
        )
    left = func.substr(_conversation.c.chat_id, 1, 150) + "#" + _conversation.c.id
    await connection.execute(
        update(_conversation)
        .where(_conversation.c.id == begun)
        .values(chat_id=left, version=_conversation.c.version + 1)
    )


async def _letters(connection: Connection, old: ChatRef, chat_id: str) -> None:
    """What has not been sent is sent there."""
    unsent = select(_outbox.c.id, _outbox.c.chat).where(
        _outbox.c.lane == storable(old.lane), tables.one_of(_outbox.c.state, OPEN)
    )
    for letter in (await connection.execute(unsent)).all():
        chat = replace(load_chat(letter.chat), chat_id=chat_id)
        values: dict[str, Any] = {"chat": dump_chat(chat), "lane": storable(chat.lane)}
        await connection.execute(update(_outbox).where(_outbox.c.id == letter.id).values(**values))


async def _binding(connection: Connection, old: ChatRef, new: str) -> None:
    """The customer whose chat it is; where the new chat is somebody's already, that holds."""
    bound = select(_channel.c.chat_id).where(_channel.c.adapter == old.adapter, _channel.c.chat_id == new)
    if (await connection.execute(bound)).one_or_none() is None:
        await connection.execute(
            update(_channel)
            .where(_channel.c.adapter == old.adapter, _channel.c.chat_id == storable(old.chat_id))
            .values(chat_id=new)
        )
