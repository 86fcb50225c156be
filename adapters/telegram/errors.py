"""The one place where Telegram's failures become ours.

It must not know what was being sent.
"""

from __future__ import annotations

import re

import httpx
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken

from adapters.telegram.transport import FloodError, ServerError, UnsentError
from bot.errors import DeliveryError

GONE = re.compile(
    r"message thread not found|topic_deleted|topic_id_invalid|thread_id_invalid|message to edit not found|message_id_invalid",
    re.IGNORECASE,
)
"""How Telegram says that a topic, or a message, was there and has been taken away."""

_SET_UP = re.compile(
    r"not enough rights|admin_required|administrator rights|have no rights|write_forbidden|topic_closed|not a forum|forum_missing"
    r"|chat not found|topics? (are|is) (not|disabled)",
    re.IGNORECASE,
)
"""How it says that the bot may not do something in a group, or that the group is not made for it."""

# First match counts: in the SDK, BadRequest is a NetworkError.
_TABLE: tuple[tuple[tuple[type[Exception], ...], bool], ...] = (
    ((BadRequest,), True),  # chat gone, refused as it stands: no use trying again
    ((InvalidToken, Conflict), False),  # the bot's set-up is wrong, not the message: it keeps until that is mended
)


def translate(error: Exception) -> DeliveryError:
    """What a failed call means for the message. When in doubt it may have arrived."""
    message = f"{type(error).__name__}: {error}"
    match error:
        case FloodError():
            return DeliveryError(message, retry_after=error.wait)
        case ServerError():
            return DeliveryError(message, uncertain=not error.refused)
        case UnsentError():
            return DeliveryError(message)
        case ChatMigrated():
            return DeliveryError(message, moved_to=str(error.new_chat_id))
        case Forbidden():  # blocked by a person, put out of a group
            return DeliveryError(message, unreachable=True)
        case BadRequest() if GONE.search(str(error)):
            return DeliveryError(message, thread_gone=True)
    for kinds, permanent in _TABLE:
        if isinstance(error, kinds):
            return DeliveryError(message, permanent=permanent)
    return DeliveryError(message, uncertain=True)


def unsettled(error: Exception) -> DeliveryError:
    """The same where staff sit: what the bot may not do there is a matter of its set-up, and waits until that is mended."""
    match error:
        case ChatMigrated():
            found = f"The group of staff is now {error.new_chat_id}: set FIRSTLINE_STAFF_CHAT to it."
        case Forbidden():
            found = f"The bot is not in the group of staff any more ({error}): put it in again, as an administrator."
        case BadRequest() if _SET_UP.search(str(error)):
            found = f"The bot may not do that in the group of staff ({error}): `firstline doctor telegram` says what is missing."
        case _:
            return translate(error)
    return DeliveryError(found)


def unfetched(error: Exception) -> DeliveryError:
    """What a failed download means for the file."""
    if isinstance(error, httpx.HTTPError):
        return DeliveryError(
            f"The file did not come through: {type(error).__name__}"
        )  # the rest might show the address
    found = translate(error)
    if isinstance(error, BadRequest) and "temporarily" in str(error).lower():
        return DeliveryError(str(found))
    return found
