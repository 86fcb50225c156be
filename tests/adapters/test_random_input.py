"""Whatever arrives, reading it gives a message, nothing, or the one error that says so; whatever is said, it can be sent."""

from __future__ import annotations

import copy
import random
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack import inbound as slack
from adapters.slack.interactions import submitted
from adapters.slack.outbound import render as render_slack
from adapters.telegram import inbound as telegram
from adapters.telegram.outbound import render as render_telegram
from bot.model import Button, ChatRef, InboundMessage, OutboundMessage, Part
from bot.storage.files import Folder
from tests.adapters.platforms import Inbox, running, until
from tests.adapters.telegram_platform import Telegram
from tests.loopback.slack import BOT_USER, TEAM, LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_markup import visible

SLACK_ME, SLACK_STAFF = slack.Me(TEAM, BOT_USER), slack.Me(TEAM, BOT_USER, frozenset({"C1"}))
TELEGRAM_ME = telegram.Me(42, "firstline_bot")
NOW = datetime(2026, 1, 1, tzinfo=UTC)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)

TELEGRAM_MESSAGE: dict[str, Any] = {
    "message_id": 3,
    "date": 1700000000,
    "chat": {"id": -100, "type": "supergroup", "is_forum": True},
    "from": {"id": 5, "is_bot": False, "first_name": "Ada", "last_name": "L."},
    "text": "😀 @firstline_bot Hallo",
    "entities": [{"type": "mention", "offset": 3, "length": 14}],
    "is_topic_message": True,
    "message_thread_id": 7,
    "reply_to_message": {"message_id": 2, "from": {"id": 42, "is_bot": True}},
    "photo": [{"file_id": "F", "file_size": 3, "width": 1}],
    "edit_date": 1700000001,
    "sender_chat": {"id": -100, "title": "Gruppe"},
}
TELEGRAM_UPDATES: list[dict[str, Any]] = [
    {"update_id": 1, "message": TELEGRAM_MESSAGE},
    {"update_id": 2, "edited_message": TELEGRAM_MESSAGE},
    {
        "update_id": 3,
        "callback_query": {
            "id": "q",
            "from": TELEGRAM_MESSAGE["from"],
            "data": "yes",
            "message": TELEGRAM_MESSAGE
            | {"reply_markup": {"inline_keyboard": [[{"text": "Ja", "callback_data": "yes"}]]}},
        },
    },
]
SLACK_EVENT: dict[str, Any] = {
    "type": "message",
    "channel": "C1",
    "channel_type": "channel",
    "user": "U5",
    "team": TEAM,
    "ts": "1700000000.000001",
    "thread_ts": "1700000000.000000",
    "text": f"<@{BOT_USER}> siehe <https://x.de|hier>",
    "files": [{"id": "F", "name": "a", "mimetype": "text/plain", "size": 1}],
    "edited": {"user": "U5", "ts": "1700000001.000000"},
    "attachments": [{"text": "x"}],
}
FORM: dict[str, Any] = {
    "type": "view_submission",
    "trigger_id": "1.2",
    "user": {"id": "U5", "name": "ada", "team_id": TEAM},
    "view": {
        "id": "V1",
        "callback_id": "firstline_form",
        "private_metadata": '{"chat": "T0FIRST:C1", "thread": "1700000000.000000", "fields": '
        '[["staff:priority:1", "normal", false], ["staff:resolve:1:=", "", true]]}',
        "state": {
            "values": {
                "0": {"value": {"selected_option": {"value": "high", "text": {"type": "plain_text", "text": "hoch"}}}},
                "1": {"value": {"type": "plain_text_input", "value": "Jetzt geht es."}},
            }
        },
    },
}
SLACK_PAYLOADS: list[dict[str, Any]] = [
    {"type": "event_callback", "event_id": "Ev", "team_id": TEAM, "event": SLACK_EVENT},
    {
        "type": "event_callback",
        "event_id": "Ev",
        "event": {"type": "message", "subtype": "message_changed", "channel": "D1", "message": SLACK_EVENT},
    },
    {
        "type": "event_callback",
        "event_id": "Ev",
        "event": {
            "type": "message",
            "subtype": "message_changed",
            "channel": "C1",
            "message": {"subtype": "tombstone", "user": "USLACKBOT", "ts": "1700000000.000001"},
            "previous_message": {"user": BOT_USER, "bot_id": "B0", "ts": "1700000000.000001", "text": "x"},
        },
    },
    {
        "type": "block_actions",
        "user": {"id": "U5", "name": "ada", "team_id": TEAM},
        "container": {"type": "message", "message_ts": "1700000000.000001", "channel_id": "C1"},
        "message": {"thread_ts": "1700000000.000000"},
        "trigger_id": "1.2",
        "actions": [{"action_id": "0:yes", "value": "yes", "action_ts": "1700000000.1", "text": {"text": "Ja"}}],
    },
]


def read(platform: str, thing: Any) -> None:
    if platform == "telegram":
        for staff in ((), ("-100",)):
            with suppress(telegram.UnreadableError):
                message = telegram.to_inbound(thing, TELEGRAM_ME, NOW, staff=staff)
                assert message is None or isinstance(message, InboundMessage)
    else:
        for me in (SLACK_ME, SLACK_STAFF):
            with suppress(slack.UnreadableError):
                message = slack.to_inbound(thing, me, NOW)
                assert message is None or isinstance(message, InboundMessage)
        with suppress(slack.UnreadableError):
            assert all(isinstance(each, InboundMessage) for each in submitted(thing, SLACK_STAFF, NOW))


def places(thing: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    items = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    return [place for key, value in items for place in ((thing, key), *places(value))]


def test_the_samples_are_readable() -> None:
    for staff in ((), ("-100",)):
        assert all(telegram.to_inbound(update, TELEGRAM_ME, NOW, staff=staff) for update in TELEGRAM_UPDATES)
    assert all(slack.to_inbound(payload, SLACK_STAFF, NOW) for payload in SLACK_PAYLOADS)
    said = [(message.action, message.text) for message in submitted(FORM, SLACK_STAFF, NOW)]
    assert said == [("staff:priority:1:high", "hoch"), ("staff:resolve:1:=", "Jetzt geht es.")]


@given(
    st.dictionaries(
        st.sampled_from(["type", "event", "message", "edited_message", "callback_query", "update_id"]), JSON
    )
)
@settings(deadline=None)
def test_random_json_never_crashes(thing: dict[str, Any]) -> None:
    read("telegram", thing)
    read("slack", thing)


@given(
    st.sampled_from([("telegram", u) for u in TELEGRAM_UPDATES] + [("slack", p) for p in [*SLACK_PAYLOADS, FORM]]),
    st.lists(st.tuples(st.integers(0, 10**6), JSON), min_size=1, max_size=3),
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_a_damaged_update_never_crashes(sample: tuple[str, Any], damages: list[tuple[int, Any]], remove: bool) -> None:
    platform, thing = sample[0], copy.deepcopy(sample[1])
    for number, value in damages:
        found = places(thing)
        container, key = found[number % len(found)]
        if remove and isinstance(container, dict):
            del container[key]
        else:
            container[key] = value
        if not places(thing):
            break
    read(platform, thing)


def test_ten_thousand_damaged_updates() -> None:
    dice = random.Random(7)
    junk: list[Any] = [None, True, -1, 10**30, 1.5, "", "\ud800", [], {}, [[]], {"id": {}}, "x" * 5000]
    for _ in range(10_000):
        platform, sample = dice.choice([("telegram", TELEGRAM_UPDATES), ("slack", [*SLACK_PAYLOADS, FORM])])
        thing = copy.deepcopy(dice.choice(sample))
        for _ in range(dice.randint(1, 3)):
            if found := places(thing):
                container, key = dice.choice(found)
                container[key] = copy.deepcopy(dice.choice(junk))
        read(platform, thing)


@pytest.mark.parametrize("staff", [(), ("-100",)], ids=["customers", "staff"])
async def test_among_ten_thousand_damaged_updates_no_good_one_is_lost(files: Folder, staff: tuple[str, ...]) -> None:
    dice, inbox, good = random.Random(11), Inbox(), [f"gut {number}" for number in range(40)]
    junk: list[Any] = [None, True, -1, 10**30, 1.5, "", "\ud800", [], {}, [[]], {"id": {}}, "x" * 500]
    async with LoopbackTelegram().serve() as server:
        platform = Telegram(server, files)
        for number in range(10_000):
            if number % 250 == 0:
                await platform.say(good[number // 250])
            # A press costs two calls, which are not what this is about.
            [sample] = dice.choices(TELEGRAM_UPDATES, weights=[20, 20, 1])
            thing = copy.deepcopy(sample)
            del thing["update_id"]
            for _ in range(dice.randint(1, 3)):
                if found := places(thing):
                    container, key = dice.choice(found)
                    container[key] = copy.deepcopy(dice.choice(junk))
            await server.push(**thing)
        async with running(platform.adapter(staff=staff), inbox.receive):
            await until(lambda: not server.waiting, within=120)
        assert [message.text for message in inbox.arrived if message.text in good] == good
        assert len(server.confirmed) == 10_040


MARKDOWN = st.lists(
    st.sampled_from(
        [
            "**",
            "*",
            "_",
            "`c`",
            "~~x~~ ",
            "```\n",
            "> ",
            "- ",
            "1. ",
            "# ",
            "---\n",
            "\n",
            "\n\n",
            "  \n",
            "    ",
            "\\",
            "|",
            ".",
        ]
    )
    | st.sampled_from(
        ["<b>", "&", "<", ">", "&amp;", "<!channel>", "[a](https://x.de)", ")", "![c](https://y.de/z.png)"]
    )
    | st.sampled_from(["<https://z.de>", "Wort ", "Ähre ", "😀"]),
    max_size=40,
).map("".join)


def sent_by_telegram(parts: tuple[Part, ...]) -> str:
    server = LoopbackTelegram()
    for part in parts:
        params = part.payload["params"]
        assert isinstance(params, dict)
        server._send(params)
    return " ".join(visible(m["params"]["text"]) for m in server.sent.values())


def sent_by_slack(parts: tuple[Part, ...]) -> str:
    server = LoopbackSlack()
    for part in parts:
        params = part.payload["params"]
        assert isinstance(params, dict)
        server._do("chat.postMessage", params, server.bot_token)
    return " ".join(m["text"] for m in server.sent.values())


@given(MARKDOWN, st.integers(1, 200))
@settings(deadline=None, max_examples=25)
def test_whatever_is_said_can_be_sent_and_no_word_is_lost(text: str, times: int) -> None:
    said = (text * times)[:9_000]
    buttons = (Button("Ja", "yes"),)
    for sent in (
        sent_by_telegram(render_telegram(OutboundMessage(ChatRef("telegram", "1"), said, buttons))),
        sent_by_slack(render_slack(OutboundMessage(ChatRef("slack", "T:D1"), said, buttons))),
    ):
        assert sent.count("😀") == said.count("😀")
        assert sent.count("Ähre") == said.count("Ähre")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
@settings(deadline=None)
def test_any_text_can_be_sent(text: str) -> None:
    sent_by_telegram(render_telegram(OutboundMessage(ChatRef("telegram", "1"), text)))
    sent_by_slack(render_slack(OutboundMessage(ChatRef("slack", "T:D1"), text)))
