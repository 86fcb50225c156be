"""The adapter's calls against a Slack that is not ours: npm's ``emulate``, where it is at hand.

FIRSTLINE_EMULATE is the command that starts it, such as ``node node_modules/.bin/emulate`` (version 0.12, Node 22.15 or newer). It
has no Socket Mode and, from its command line, no way to subscribe to events, so it checks the Web API alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack import SlackAdapter
from adapters.slack.elements import Me
from adapters.slack.people import People
from adapters.slack.views import chosen, form, home
from bot.errors import DeliveryError
from bot.model import (
    Button,
    Card,
    ChatRef,
    Choice,
    Field,
    Form,
    FormField,
    InboundMessage,
    Mark,
    OutboundMessage,
    Page,
    Person,
)
from bot.storage.files import Folder
from tests.fakes import START

COMMAND = shlex.split(os.environ.get("FIRSTLINE_EMULATE", ""))
pytestmark = pytest.mark.skipif(not COMMAND, reason="FIRSTLINE_EMULATE names no command")
TOKEN = "xoxb-emulate"


@pytest.fixture
async def url(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[str]:
    seed = {
        "slack": {
            "users": [{"name": "ada", "real_name": "Ada Lovelace", "email": "ada@muster.example"}],
            "channels": [{"name": "hilfe"}],
            "tokens": [{"token": TOKEN, "user": "ada"}],
        }
    }
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    arguments = ("start", "--service", "slack", "--port", str(unused_tcp_port), "--seed", str(tmp_path / "seed.json"))
    process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stdout=asyncio.subprocess.DEVNULL)
    address = f"http://127.0.0.1:{unused_tcp_port}/api/"
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.post(f"{address}auth.test"):
                        break
                await asyncio.sleep(0.1)
        yield address
    finally:
        process.terminate()
        await process.wait()


async def test_what_we_send_is_taken_found_again_changed_and_seen(url: str, tmp_path: Path) -> None:
    client = AsyncWebClient(TOKEN, url)
    me = await client.auth_test()
    channel = next(c["id"] for c in (await client.api_call("conversations.list"))["channels"] if c["name"] == "hilfe")
    await client.api_call("conversations.join", data={"channel": channel})
    adapter = SlackAdapter(TOKEN, "xapp-none", files=Folder(tmp_path), base_url=url)
    chat = ChatRef("slack", f"{me['team_id']}:{channel}")

    first = replace(
        adapter.render(OutboundMessage(chat, "Hilft **das** & mehr?", (Button("Ja", "yes"),)))[0], key="k:1"
    )
    assert await adapter.find(first) is None
    ts = await adapter.send(first)
    assert await adapter.find(first) == ts
    inside = replace(chat, thread_id=ts)
    second = replace(adapter.render(OutboundMessage(inside, "In der Antwort"))[0], key="k:2")
    assert await adapter.find(second) is None
    answer = await adapter.send(second)
    assert await adapter.find(second) == answer
    assert await adapter.find(replace(second, key="k:3")) is None

    shown = (await client.api_call("conversations.history", data={"channel": channel}))["messages"][0]
    assert shown["text"] == "Hilft *das* &amp; mehr?"
    pressed = shown["blocks"][-1]["elements"][0]
    change = chosen(shown, pressed)
    assert change is not None
    await client.api_call("chat.update", json={"channel": channel, "ts": ts, **change})
    view = home(Page("**Ihre Tickets**", (Button("Mit einer Person sprechen", "person"),)))
    await client.api_call("views.publish", json={"user_id": me["user_id"], "view": view})
    await adapter.close()


async def test_people_have_names_and_a_direct_chat(url: str) -> None:
    client = AsyncWebClient(TOKEN, url)
    me = await client.auth_test()
    other = next(u for u in (await client.api_call("users.list"))["members"] if u["id"] != me["user_id"])
    people = People(client, Me(str(me["team_id"]), str(me["user_id"])))
    sender = Person(f"{me['team_id']}:{other['id']}", other["id"])
    message = InboundMessage(ChatRef("slack", f"{me['team_id']}:{other['id']}"), "m", "d", sender, "Moin", START)
    known = await people.known(message)
    assert known.sender.name != other["id"]
    assert known.chat.chat_id.startswith(f"{me['team_id']}:D")


async def test_a_card_its_marks_its_members_and_its_form(url: str, tmp_path: Path) -> None:
    client = AsyncWebClient(TOKEN, url)
    me = await client.auth_test()
    channel = next(c["id"] for c in (await client.api_call("conversations.list"))["channels"] if c["name"] == "hilfe")
    await client.api_call("conversations.join", data={"channel": channel})
    adapter = SlackAdapter(TOKEN, "xapp-none", files=Folder(tmp_path), base_url=url, staff=(channel,))
    chat = ChatRef("slack", f"{me['team_id']}:{channel}")
    card = Card("staff", 1, "HD-000001", (Field("Zuständig", "noch niemand"),), "**Neu**", (Button("Mehr …", "menu"),))
    [root] = adapter.draw(chat, card, None)
    ts = await adapter.send(replace(root, key="k:1"))
    assert await adapter.find(replace(root, key="k:1")) == ts
    [again] = adapter.draw(chat, replace(card, fields=(Field("Zuständig", "Kim"),)), ts)
    assert await adapter.send(again) == ts

    inside = replace(chat, thread_id=ts)
    said = await adapter.send(adapter.render(OutboundMessage(inside, "Bisher gesprochen"))[0])
    for mark in (Mark.SENDING, Mark.SENDING, Mark.SENT, Mark.SENT):
        [part] = adapter.mark(inside, said, mark)
        await adapter.send(part)
    shown = await client.api_call("reactions.get", data={"channel": channel, "timestamp": said})
    assert [reaction["name"] for reaction in shown["message"]["reactions"]] == ["white_check_mark"]

    assert await adapter.is_member(inside, Person(f"{me['team_id']}:{me['user_id']}", "Ada"))
    assert not await adapter.is_member(inside, Person(f"{me['team_id']}:U404", "Eve"))
    with pytest.raises(DeliveryError) as gone:
        await adapter.send(adapter.draw(chat, card, "1700000000.000404")[0])
    assert gone.value.thread_gone

    fields = (FormField("staff:priority:1", "Priorität", "low", (Choice("niedrig", "low"), Choice("hoch", "high"))),)
    trigger = await client.api_call("views.generateTriggerId", json={"user_id": me["user_id"]})
    view = form(Form("HD-000001", "Gelöst", (*fields, FormField("staff:resolve:1:=", "Ein Satz"))), inside)
    await client.api_call("views.open", json={"trigger_id": trigger["trigger_id"], "view": view})
    await adapter.close()
