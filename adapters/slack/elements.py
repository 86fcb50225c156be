"""What events and interactions of Slack have in common: people, times, and markup as a person reads it. Pure.

It must not know how payloads arrive, nor what becomes of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any

from bot.model import ChatRef, Person

Fields = Mapping[str, Any]


class UnreadableError(ValueError):
    """The payload does not look as Slack describes it."""


@dataclass(frozen=True, slots=True)
class Me:
    """The app itself, as auth.test describes it: the workspace that it is installed in, and its bot user; and the ids of the
    channels in which staff sit.
    """

    team: str
    user: str
    staff: frozenset[str] = frozenset()


def chat_of(me: Me, channel: str, thread: str | None = None) -> ChatRef:
    return ChatRef("slack", f"{me.team}:{channel}", thread)


def channel_of(chat_id: str) -> str:
    """A chat is known by workspace and channel; Slack wants the channel."""
    return chat_id.rpartition(":")[2]


def is_person(channel: str) -> bool:
    """Whether it names no channel but somebody, to whom something is to be said directly."""
    return channel.startswith(("U", "W"))


def person_of(user: str, fields: Fields, me: Me) -> Person:
    """Known by workspace and user: in a shared channel people of several workspaces meet. The event has no name."""
    team = fields.get("user_team") or fields.get("team") or me.team
    return Person(f"{team}:{user}", user)


def time_of(ts: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except ValueError as error:
        raise UnreadableError("a ts is no time") from error


def plain(text: str, me: Me) -> str:
    """Slack's markup as a person reads it, without the mention of the bot."""
    # The blank before it goes, too. Only where one begins: tried at each blank of a long row, it would take minutes.
    text = re.sub(rf"(?:(?<!\s)\s+)?<@{re.escape(me.user)}(\|[^<>]*)?>[:,]?", "", text)
    return unescape(re.sub(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>", _reference, text)).strip()


def mentions(text: str, me: Me) -> bool:
    return f"<@{me.user}>" in text or f"<@{me.user}|" in text


def _reference(match: re.Match[str]) -> str:
    sigil, target, label = match.groups()
    if sigil == "!":
        return label or f"@{target.partition('^')[0]}"
    if sigil:
        return f"{sigil}{label or target}"
    target = target.removeprefix("mailto:")
    return f"{label} ({target})" if label and label != target else target
