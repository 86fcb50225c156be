"""The one place where Telegram's failures become ours.

It must not know what was being sent.
"""

from __future__ import annotations

import httpx
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken

from adapters.telegram.client import FloodError, ServerError
from bot.errors import DeliveryError

_CERTAINLY_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

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
        case ChatMigrated():
            return DeliveryError(message, moved_to=str(error.new_chat_id))
        case Forbidden():  # blocked by a person, put out of a group
            return DeliveryError(message, unreachable=True)
    for kinds, permanent in _TABLE:
        if isinstance(error, kinds):
            return DeliveryError(message, permanent=permanent)
    return DeliveryError(message, uncertain=not isinstance(error.__cause__, _CERTAINLY_NOT_SENT))


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
