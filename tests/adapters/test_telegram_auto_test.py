"""The adapter against a Telegram that is not ours: the package tg-auto-test, which needs a newer Python than the project does.

FIRSTLINE_TG_AUTO_TEST is a Python that has ``tg-auto-test==1.3`` and ``markdown-it-py``. It knows one private chat and no groups.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

PYTHON = os.environ.get("FIRSTLINE_TG_AUTO_TEST", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="FIRSTLINE_TG_AUTO_TEST names no Python that has tg-auto-test")

SCRIPT = """
import asyncio, json, sys
from datetime import UTC, datetime
from tg_auto_test.test_utils.serverless_client_helpers import ServerlessClientHelpers
from tg_auto_test.test_utils.stub_request import StubTelegramRequest
from adapters.telegram import TelegramAdapter
from adapters.telegram.client import _RawBot
from adapters.telegram.inbound import Me, to_inbound
from bot.model import Button, Card, ChatRef, Field, File, OutboundMessage

class Files:
    async def open(self, key):
        yield b"%PDF-1.7"

async def main():
    stub, chat = StubTelegramRequest(), ChatRef("telegram", "9001")
    adapter = TelegramAdapter("123:ABC", files=Files())
    root = "https://api.telegram.org"
    bot = _RawBot("123:ABC", f"{root}/bot", f"{root}/file/bot", request=stub, get_updates_request=stub)
    adapter._client._bot = adapter._client._uploads = bot
    update, message = ServerlessClientHelpers(9001, "Alice").base_message_update(9001)
    message["text"] = "Der Drucker ist kaputt"
    heard = to_inbound(update, Me(999999, "test_bot"), datetime.now(UTC))
    file = File("k", "a.pdf", "application/pdf", 8)
    said = OutboundMessage(chat, "**Hallo** & <x>", (Button("Ja", "yes"),), attachments=(file,))
    card = Card("staff", 1, "HD-000001", (Field("Stand", "offen"),), buttons=(Button("Nehmen", "staff:take:1"),))
    parts = [*adapter.render(said), *adapter.render(OutboundMessage(chat, "Neu", edit_of="1")), adapter.draw(chat, card, None)[1]]
    ids = [await adapter.send(part) for part in parts]
    files = [call.file.data.decode() for call in stub.calls if call.file]
    calls = [(call.api_method, call.parameters) for call in stub.calls]
    print(json.dumps({"heard": [heard.chat.chat_id, heard.sender.name, heard.text], "ids": ids, "calls": calls, "files": files}))

asyncio.run(main())
"""


def test_it_hears_and_is_heard() -> None:
    root = str(Path(__file__).parents[2])
    ran = subprocess.run([PYTHON, "-c", SCRIPT], cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout.splitlines()[-1])
    assert seen["heard"] == ["9001", "Alice", "Der Drucker ist kaputt"]
    assert [method for method, _ in seen["calls"]] == ["sendDocument", "editMessageText", "sendMessage"]
    assert seen["calls"][0][1]["caption"] == "<b>Hallo</b> &amp; &lt;x&gt;"
    assert "staff:take:1" in seen["calls"][2][1]["reply_markup"]
    assert seen["files"] == ["%PDF-1.7"]
