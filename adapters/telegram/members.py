"""Who belongs to a group, as Telegram says when it is asked by number. It must not know what members may do."""

from __future__ import annotations

import re

from telegram.error import BadRequest, TelegramError

from adapters.telegram.client import Client
from adapters.telegram.errors import translate
from adapters.telegram.outbound import where
from bot.errors import DeliveryError
from bot.model import ChatRef, Person

_NOBODY = re.compile(
    r"user not found|participant_id_invalid|user_id_invalid|invalid user_id|user_not_participant", re.IGNORECASE
)


async def is_member(client: Client, chat: ChatRef, person: Person) -> bool:
    """Whoever writes in the name of a group or a channel is none: nobody can say who that is. Raises DeliveryError."""
    if not person.id.isdecimal():
        return False
    try:
        member = await client.call("getChatMember", {"chat_id": where(chat)["chat_id"], "user_id": int(person.id)})
    except BadRequest as error:
        if _NOBODY.search(str(error)):
            return False
        raise DeliveryError(f"Telegram does not say who is a member: {error}") from error
    except (TelegramError, OSError) as error:
        raise translate(error) from error
    match member:
        case {"status": "creator" | "administrator" | "member"}:
            return True
        case {"status": "restricted", "is_member": True}:
            return True
        case _:
            return False
