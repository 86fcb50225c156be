"""An invitation is recognised on every platform, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.invitations import invitation
from adapters.telegram.inbound import Me, to_inbound
from tests.adapters.platforms import Inbox, Platform, running

TOKEN = "fl-" + "Ab0_-" * 8 + "xyz"
ME = Me(42, "firstline_bot")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", [TOKEN, f" {TOKEN}\n", f"`{TOKEN}`", f"<{TOKEN}>", f"{TOKEN}."])
def test_a_pasted_token_is_an_invitation(text: str) -> None:
    assert invitation(text) == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/start",
        "/start mit dem Export geht nicht",
        f"{TOKEN} und der Export geht nicht",
        f"Hier: {TOKEN}",
        TOKEN[:-1],
        TOKEN + "x",
        TOKEN[3:],
        f"/startfl {TOKEN}",
        f"/start {'x' * 65}",
        f"{TOKEN}\n{TOKEN}",
    ],
)
def test_what_says_anything_else_is_not(text: str) -> None:
    assert invitation(text) is None


async def test_a_token_that_is_sent_as_a_message_arrives_as_an_invitation(platform: Platform, inbox: Inbox) -> None:
    async with running(platform.adapter(), inbox.receive):
        await platform.say(TOKEN)
        await platform.say("Der Export geht nicht")
        first, second = await inbox.has(2)
    assert (first.invitation, second.invitation) == (TOKEN, None)


@pytest.mark.parametrize(("chat", "text"), [("private", f"/start {TOKEN}"), ("group", f"/start@firstline_bot {TOKEN}")])
def test_a_telegram_link_that_was_followed_is_an_invitation(chat: str, text: str) -> None:
    update: dict[str, Any] = {
        "update_id": 7,
        "message": {
            "message_id": 3,
            "date": 1700000000,
            "chat": {"id": 1, "type": chat},
            "from": {"id": 5, "is_bot": False, "first_name": "Ada"},
            "text": text,
            "entities": [{"type": "bot_command", "offset": 0, "length": text.index(" ")}],
        },
    }
    found = to_inbound(update, ME, NOW)
    assert found is not None
    assert found.invitation == TOKEN
    edited = to_inbound({"update_id": 8, "edited_message": {**update["message"], "edit_date": 1700000001}}, ME, NOW)
    assert edited is not None
    assert edited.invitation is None
