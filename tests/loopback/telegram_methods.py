"""Which methods of the Bot API there are, which arguments they take, and how wrong ones are refused.

It must not know what the methods do. Stricter than Telegram: getUpdates and setWebhook must say what they want, and setWebhook must
have a secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from aiohttp import web

from tests.loopback.telegram_markup import Refusal

Kind = Literal["integer", "string", "boolean", "list", "object", "chat", "file"]

_CAPTIONED: Mapping[str, tuple[Kind, bool]] = {
    "chat_id": ("chat", True),
    "message_thread_id": ("integer", False),
    "caption": ("string", False),
    "parse_mode": ("string", False),
    "disable_notification": ("boolean", False),
    "protect_content": ("boolean", False),
    "reply_parameters": ("object", False),
    "reply_markup": ("object", False),
}

# method -> argument -> (kind, required); what Bot API 10.0 documents for the methods that the adapter may use
METHODS: Mapping[str, Mapping[str, tuple[Kind, bool]]] = {
    "getMe": {},
    "getUpdates": {
        "offset": ("integer", False),
        "limit": ("integer", False),
        "timeout": ("integer", False),
        "allowed_updates": ("list", True),
    },
    "sendMessage": {
        "chat_id": ("chat", True),
        "message_thread_id": ("integer", False),
        "text": ("string", True),
        "parse_mode": ("string", False),
        "link_preview_options": ("object", False),
        "disable_notification": ("boolean", False),
        "protect_content": ("boolean", False),
        "reply_parameters": ("object", False),
        "reply_markup": ("object", False),
    },
    "sendPhoto": {"photo": ("file", True), **_CAPTIONED, "has_spoiler": ("boolean", False)},
    "sendDocument": {
        "document": ("file", True),
        **_CAPTIONED,
        "disable_content_type_detection": ("boolean", False),
    },
    "getFile": {"file_id": ("string", True)},
    "editMessageText": {
        "chat_id": ("chat", True),
        "message_id": ("integer", True),
        "text": ("string", True),
        "parse_mode": ("string", False),
        "link_preview_options": ("object", False),
        "reply_markup": ("object", False),
    },
    "editMessageReplyMarkup": {
        "chat_id": ("chat", True),
        "message_id": ("integer", True),
        "reply_markup": ("object", False),
    },
    "sendChatAction": {
        "chat_id": ("chat", True),
        "message_thread_id": ("integer", False),
        "action": ("string", True),
    },
    "setMyCommands": {
        "commands": ("list", True),
        "scope": ("object", False),
        "language_code": ("string", False),
    },
    "setWebhook": {
        "url": ("string", True),
        "max_connections": ("integer", False),
        "allowed_updates": ("list", True),
        "drop_pending_updates": ("boolean", False),
        "secret_token": ("string", True),
    },
    "deleteWebhook": {"drop_pending_updates": ("boolean", False)},
    "getWebhookInfo": {},
    "getChat": {"chat_id": ("chat", True)},
    "getChatMember": {"chat_id": ("chat", True), "user_id": ("integer", True)},
    "getChatAdministrators": {"chat_id": ("chat", True), "return_bots": ("boolean", False)},
    "createForumTopic": {
        "chat_id": ("chat", True),
        "name": ("string", True),
        "icon_color": ("integer", False),
        "icon_custom_emoji_id": ("string", False),
    },
    "closeForumTopic": {"chat_id": ("chat", True), "message_thread_id": ("integer", True)},
    "reopenForumTopic": {"chat_id": ("chat", True), "message_thread_id": ("integer", True)},
    "setMessageReaction": {
        "chat_id": ("chat", True),
        "message_id": ("integer", True),
        "reaction": ("list", False),
        "is_big": ("boolean", False),
    },
    "pinChatMessage": {
        "chat_id": ("chat", True),
        "message_id": ("integer", True),
        "disable_notification": ("boolean", False),
    },
    "answerCallbackQuery": {
        "callback_query_id": ("string", True),
        "text": ("string", False),
        "show_alert": ("boolean", False),
        "url": ("string", False),
        "cache_time": ("integer", False),
    },
}


def checked(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    if method not in METHODS:
        raise Refusal(404, "Not Found")
    known = METHODS[method]
    if unknown := set(params) - set(known):
        raise Refusal(400, f"Bad Request: unknown arguments {sorted(unknown)}")
    if missing := {name for name, (_, required) in known.items() if required} - set(params):
        raise Refusal(400, f"Bad Request: missing arguments {sorted(missing)}")
    return {name: _value(name, known[name][0], value) for name, value in params.items()}


def _value(name: str, kind: Kind, value: Any) -> Any:
    """An argument comes as JSON, or as a form field that holds JSON."""
    if kind == "file":
        # By its id or by an address would do, too, for Telegram; but not for what only we have.
        if not isinstance(value, web.FileField):
            raise Refusal(400, f"Bad Request: there is no {name} in the request")
        return value
    types: dict[str, type] = {"integer": int, "chat": int, "boolean": bool, "list": list, "object": dict, "string": str}
    if kind != "string" and isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise Refusal(400, f"Bad Request: can't parse {name}") from None
    if not isinstance(value, types[kind]) or (kind in {"integer", "chat"} and isinstance(value, bool)):
        raise Refusal(400, f"Bad Request: {name} must be of type {kind}")
    return value
