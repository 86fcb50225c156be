"""The one place where Slack's failures become ours.

It must not know what was being sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from aiohttp import ClientConnectorError, ConnectionTimeoutError
from slack_sdk.errors import SlackApiError

from bot.errors import DeliveryError

BAD_TOKEN = frozenset(
    {"account_inactive", "invalid_auth", "not_allowed_token_type", "not_authed", "token_expired", "token_revoked"}
)
"""The app's set-up is wrong, not the message: it keeps until that is mended."""

_TRY_AGAIN = BAD_TOKEN | {
    "external_channel_migrating",
    "message_limit_exceeded",
    "missing_scope",
    "rate_limited",
    "ratelimited",
    "request_timeout",  # Slack: the data of the request came cut off
    "service_unavailable",
    "team_added_to_org",
}
_PERHAPS_DONE = frozenset({"fatal_error", "internal_error"})
"""Slack: it is possible that some aspect of the operation succeeded before the error."""


_THREAD_GONE = frozenset({"thread_not_found", "cannot_reply_to_message"})
_GONE = frozenset({"message_not_found", "cant_update_message"})
"""Of what was to be changed: it has been deleted, and what stands in its place is not ours."""


def translate(error: Exception, *, root: bool = False) -> DeliveryError:
    """What a failed call means for the message. When in doubt it may have arrived.

    ``root``: it was to change the message that a thread begins with, so that without that the thread is gone.
    """
    if isinstance(error, SlackApiError):
        return _refused(error, root=root)
    message = f"{type(error).__name__}: {error}"
    return DeliveryError(message, uncertain=not isinstance(error, ClientConnectorError | ConnectionTimeoutError))


def error_code(error: SlackApiError) -> str | None:
    """What Slack calls it; None when something else than Slack's API answered."""
    data = getattr(error.response, "data", None)
    code = data.get("error") if isinstance(data, Mapping) else None
    return str(code) if code else None


def _refused(error: SlackApiError, *, root: bool) -> DeliveryError:
    status = getattr(error.response, "status_code", getattr(error.response, "status", 0))
    code = error_code(error)
    message = f"Slack answered {code or 'nothing readable'} with status {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return DeliveryError(message, retry_after=_wait(error.response.headers))
    if code is None or code in _PERHAPS_DONE:
        return DeliveryError(message, uncertain=True)
    if code in _THREAD_GONE or (root and code in _GONE):
        return DeliveryError(message, thread_gone=True)
    return DeliveryError(message, permanent=code not in _TRY_AGAIN and status < HTTPStatus.INTERNAL_SERVER_ERROR)


def _wait(headers: Mapping[str, str]) -> timedelta:
    seconds = next((value for key, value in headers.items() if key.lower() == "retry-after"), "")
    return timedelta(seconds=int(seconds) if seconds.isdecimal() else 5)
