"""The methods of Slack's Web API that the loopback server has: arguments, whether they may be sent as JSON, and scopes.

It must not know what they do. Types are those of the arguments once decoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.loopback.slack_blocks import Refusal


@dataclass(frozen=True)
class Method:
    """``args``: name -> (type, required). ``json``: it takes a JSON body, too; else only a form or what stands in the address.

    ``scopes``: any one of them will do; none: it needs no scope.
    """

    args: Mapping[str, tuple[type, bool]]
    json: bool = True
    scopes: frozenset[str] = frozenset()


_HISTORY = frozenset({"channels:history", "groups:history", "im:history", "mpim:history"})
_READ = frozenset({"channels:read", "groups:read", "im:read", "mpim:read"})
_REACTION = {"channel": (str, True), "timestamp": (str, True), "name": (str, True)}
_PAGE = {"cursor": (str, False), "limit": (int, False)}
_SPAN = {
    **_PAGE,
    "inclusive": (bool, False),
    "latest": (str, False),
    "oldest": (str, False),
    "include_all_metadata": (bool, False),
}

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "auth.test": Method({}),
        "apps.connections.open": Method({}),
        "chat.postMessage": Method(
            {
                "channel": (str, True),
                "text": (str, True),
                "blocks": (list, False),
                "thread_ts": (str, False),
                "reply_broadcast": (bool, False),
                "unfurl_links": (bool, False),
                "unfurl_media": (bool, False),
                "mrkdwn": (bool, False),
                "metadata": (dict, False),
            },
            scopes=frozenset({"chat:write"}),
        ),
        "chat.update": Method(
            {
                "channel": (str, True),
                "ts": (str, True),
                "text": (str, True),
                "blocks": (list, False),
                "metadata": (dict, False),
            },
            scopes=frozenset({"chat:write"}),
        ),
        "conversations.open": Method(
            {"users": (str, True), "return_im": (bool, False)}, scopes=frozenset({"im:write"})
        ),
        "conversations.history": Method({"channel": (str, True), **_SPAN}, json=False, scopes=_HISTORY),
        "conversations.replies": Method(
            {"channel": (str, True), "ts": (str, True), **_SPAN}, json=False, scopes=_HISTORY
        ),
        "conversations.info": Method({"channel": (str, True)}, json=False, scopes=_READ),
        "conversations.members": Method({"channel": (str, True), **_PAGE}, json=False, scopes=_READ),
        "reactions.add": Method(_REACTION, scopes=frozenset({"reactions:write"})),
        "reactions.remove": Method(_REACTION, scopes=frozenset({"reactions:write"})),
        "users.info": Method({"user": (str, True)}, json=False, scopes=frozenset({"users:read"})),
        "views.publish": Method({"user_id": (str, True), "view": (dict, True), "hash": (str, False)}),
        "views.open": Method({"trigger_id": (str, True), "view": (dict, True)}),
        "files.getUploadURLExternal": Method(
            {"filename": (str, True), "length": (int, True), "alt_txt": (str, False)},
            json=False,
            scopes=frozenset({"files:write"}),
        ),
        "files.completeUploadExternal": Method(
            {
                "files": (list, True),
                "channel_id": (str, False),
                "thread_ts": (str, False),
                "initial_comment": (str, False),
            },
            json=False,
            scopes=frozenset({"files:write"}),
        ),
        "files.info": Method(
            {"file": (str, True), "count": (int, False), "page": (int, False)},
            json=False,
            scopes=frozenset({"files:read"}),
        ),
        "apps.manifest.export": Method({"app_id": (str, True)}),
    }
)


def decoded(method: Method, params: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a form or an address as what they mean. Raises Refusal."""
    values: dict[str, Any] = {}
    for name, value in params.items():
        kind = method.args.get(name, (str, False))[0]
        try:
            if kind is bool:
                values[name] = {"1": True, "true": True, "0": False, "false": False}[value.lower()]
            elif kind in (dict, list, int):
                values[name] = json.loads(value)
            else:
                values[name] = value
        except (AttributeError, KeyError, ValueError):
            raise Refusal("invalid_arguments") from None
    return values


def check_arguments(method: Method, params: Mapping[str, Any]) -> None:
    """Stricter than Slack: what it does not know is refused. Raises Refusal."""
    if set(params) - set(method.args):
        raise Refusal("invalid_arguments")
    if any(required and name not in params for name, (_, required) in method.args.items()):
        raise Refusal("invalid_arguments")
    if any(not isinstance(value, method.args[name][0]) for name, value in params.items()):
        raise Refusal("invalid_arguments")
