"""Frozen values to JSON columns and back.

It must not know the tables, nor what the values mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from bot.model import ChatRef, InboundMessage, Pending

_MESSAGE = TypeAdapter(InboundMessage)
_PENDING = TypeAdapter(Pending)
_CHAT = TypeAdapter(ChatRef)
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def dump_message(message: InboundMessage) -> dict[str, Any]:
    return _object(asdict(message))


def load_message(value: Mapping[str, Any]) -> InboundMessage:
    return _MESSAGE.validate_python(value)


def dump_pending(pending: Pending | None) -> dict[str, Any] | None:
    return None if pending is None else _object({**asdict(pending), "data": dict(pending.data)})


def load_pending(value: Mapping[str, Any] | None) -> Pending | None:
    return None if value is None else _PENDING.validate_python(value)


def dump_chat(chat: ChatRef) -> dict[str, Any]:
    return _object(asdict(chat))


def load_chat(value: Mapping[str, Any]) -> ChatRef:
    return _CHAT.validate_python(value)


def storable(text: str) -> str:
    """The text without what PostgreSQL and UTF-8 cannot hold: NUL becomes U+2400, a lone surrogate U+FFFD."""
    return _LONE_SURROGATES.sub("�", text.replace("\x00", "␀"))


def dump_json(value: Mapping[str, Any]) -> dict[str, Any]:
    return _object(value)


def _object(value: Mapping[str, Any]) -> dict[str, Any]:
    return {storable(str(key)): _clean(item) for key, item in value.items()}


def _clean(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case Mapping():
            return _object(value)
        case list() | tuple():
            return [_clean(item) for item in value]
        case datetime():
            return value.isoformat()
    return value
