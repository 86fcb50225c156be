"""Looks at a channel in which staff are to work: whether the bot is in it, who else is, and that it is nobody else's.

It must not know where the settings come from, nor how findings are shown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.elements import channel_of
from adapters.slack.errors import error_code
from adapters.slack.staff import members
from bot.errors import DeliveryError
from bot.model import Finding

_SHARED = ("is_ext_shared", "is_pending_ext_shared", "is_org_shared")


async def staff_channel(client: AsyncWebClient, channel: str, listed: Mapping[str, str]) -> AsyncIterator[Finding]:
    """``listed`` are the members of the list of staff, id and name; empty: whoever is in the channel is of staff."""
    try:
        found: Mapping[str, Any] = (await client.conversations_info(channel=channel_of(channel)))["channel"]
    except Exception as error:
        code = error_code(error) if isinstance(error, SlackApiError) else type(error).__name__
        remedy = (
            "Its id stands in the channel's details and begins with C. A private channel is invisible until the bot is "
            "invited. Scopes: channels:read, groups:read."
        )
        yield Finding("error", f"The channel of staff {channel} cannot be seen: Slack says {code}.", remedy)
        return
    name = f"#{found.get('name') or channel}"
    if found.get("is_archived"):
        yield Finding(
            "error", f"The channel of staff {name} is archived.", "Unarchive it, or set FIRSTLINE_STAFF_CHAT."
        )
    if not found.get("is_member"):
        yield Finding(
            "error",
            f"The bot is not in the channel of staff {name}, so that no ticket can be shown there.",
            f"Write there: /invite @ and the bot's name. ({channel})",
        )
        return
    if any(found.get(mark) is True for mark in _SHARED[:2]):
        yield Finding(
            "error",
            f"The channel of staff {name} is shared with another organisation: its people read what is for staff alone.",
            "Work in a channel of your own workspace, and set FIRSTLINE_STAFF_CHAT to it.",
        )
    elif found.get(_SHARED[2]) is True:
        yield Finding(
            "warning",
            f"The channel of staff {name} is shared with other workspaces of your organisation.",
            "Their people read the tickets, too, and cannot act. Better take a channel of one workspace.",
        )
    if not found.get("is_private"):
        yield Finding(
            "note",
            f"The channel of staff {name} is public: everybody in the workspace can read the tickets.",
            "If that is not meant, make it private in the channel's settings.",
        )
    async for finding in _people(client, channel, name, listed):
        yield finding


async def _people(client: AsyncWebClient, channel: str, name: str, listed: Mapping[str, str]) -> AsyncIterator[Finding]:
    try:
        there = {user async for user in members(client, channel)}
    except DeliveryError as error:
        yield Finding("error", f"{error}.", "Without that nobody is of staff. Scopes: channels:read, groups:read.")
        return
    absent = [person for user, person in listed.items() if channel_of(user) not in there]
    for person in absent:
        remedy = "Invite them, or correct the id in FIRSTLINE_STAFF_FILE: Slack shows it under Profile, Copy member ID."
        yield Finding("warning", f"{person} is on the list of staff, but not in {name}.", remedy)
    if len(there) < 2:
        yield Finding("warning", f"Nobody but the bot is in {name}.", "Invite those who are to answer customers.")
    elif not absent:
        yield Finding("ok", f"The bot is in the channel of staff {name}, with {len(there) - 1} others.")
