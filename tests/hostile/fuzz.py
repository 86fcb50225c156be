"""Damages documented updates at random, as many as one likes, and hands them to the adapters: `make fuzz`.

Reading one gives a message, nothing, or the one error that says so. The seed is printed: it brings the same damage again.
"""

from __future__ import annotations

import argparse
import copy
import random
from typing import Any

from adapters.slack.views import chosen
from tests.adapters.test_random_input import (
    FORM,
    SLACK_EVENT,
    SLACK_PAYLOADS,
    TELEGRAM_MESSAGE,
    TELEGRAM_UPDATES,
    places,
    read,
)

JUNK: list[Any] = [
    *(None, True, False, 0, -1, 2**31, 2**63, 10**30, 1.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "\x00",
        "\ud800",
        "\udfff\ud800",
        "\u202e",
        "\x1b]52;c;eA==\x07",
        "x" * 5000,
        "9" * 5000,
        "-",
        "1e9",
        "٣",
        "../..",
    ),
    *("<!channel>", "<@U1", "<" * 500, "@firstline_bot", "staff:take:1", "/start fl-", "=1+1"),
    *([], {}, [[]], [None], {"id": {}}, {"id": []}, [{}] * 50, {"": ""}),
]
USER = {"id": "U5", "team_id": "T1", "name": "ada"}
DELETED = {"type": "message", "subtype": "message_deleted", "channel": "C1", "previous_message": SLACK_EVENT}
REACTION = {"type": "reaction_added", "user": "U5", "item": {"channel": "C1", "ts": "1.2"}, "reaction": "x"}
CARD = {
    "type": "message",
    "ts": "1700000000.000001",
    "user": "UBOT",
    "text": "HD-000001 &lt;x&gt;",
    "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "HD-000001", "emoji": True}},
        {
            "type": "actions",
            "block_id": "b",
            "elements": [
                {
                    "type": "button",
                    "action_id": "0:staff:resolve:1",
                    "value": "staff:resolve:1",
                    "text": {"type": "plain_text", "text": "Gelöst", "emoji": True},
                }
            ],
        },
    ],
}
PRESS = {
    "type": "block_actions",
    "user": {"id": "U5", "name": "ada", "team_id": "T1"},
    "container": {"type": "message", "message_ts": CARD["ts"], "channel_id": "C1", "thread_ts": CARD["ts"]},
    "channel": {"id": "C1"},
    "message": CARD,
    "trigger_id": "1.2",
    "response_url": "https://hooks.slack.com/actions/x",
    "actions": [
        {
            "action_id": "0:staff:resolve:1",
            "block_id": "b",
            "value": "staff:resolve:1",
            "action_ts": "1700000001.1",
            "text": {"type": "plain_text", "text": "Gelöst"},
        }
    ],
}
SAMPLES: dict[str, list[Any]] = {
    "telegram": [
        *TELEGRAM_UPDATES,
        {"update_id": 4, "message": {**TELEGRAM_MESSAGE, "forum_topic_created": {"name": "HD-000001", "icon_color": 1}}},
        {"update_id": 5, "message": {**TELEGRAM_MESSAGE, "sender_chat": {"id": -100, "type": "supergroup", "title": "Team"}}},
        {"update_id": 6, "message": {**TELEGRAM_MESSAGE, "migrate_to_chat_id": -1001}},
        {
            "update_id": 7,
            "message_reaction": {
                "chat": TELEGRAM_MESSAGE["chat"],
                "message_id": 3,
                "user": TELEGRAM_MESSAGE["from"],
                "date": 1700000000,
                "old_reaction": [],
                "new_reaction": [{"type": "emoji", "emoji": "👍"}],
            },
        },
        {"update_id": 8, "my_chat_member": {"chat": TELEGRAM_MESSAGE["chat"], "from": TELEGRAM_MESSAGE["from"], "date": 1}},
    ],
    "slack": [
        *SLACK_PAYLOADS,
        {"type": "event_callback", "event": DELETED},
        {"type": "event_callback", "event": REACTION},
        {"type": "event_callback", "event": {"type": "app_home_opened", "user": "U5", "tab": "home"}},
        FORM,
        {"type": "view_submission", "user": USER, "view": {"id": "V1", "callback_id": "x", "private_metadata": "{}"}},
        {"type": "view_closed", "user": USER, "is_cleared": False, "view": FORM["view"]},
        PRESS,
        {**PRESS, "container": {"type": "view", "view_id": "V1"}, "view": FORM["view"]},
        {"type": "shortcut", "callback_id": "x", "trigger_id": "1.2", "user": USER, "action_ts": "1700000000.1"},
        {
            "type": "message_action",
            "callback_id": "x",
            "trigger_id": "1.2",
            "user": USER,
            "channel": {"id": "C1"},
            "message": SLACK_EVENT,
        },
        {"command": "/firstline", "text": "hilfe", "user_id": "U5", "channel_id": "C1", "trigger_id": "1.2", "team_id": "T1"},
    ],
}  # fmt: skip


def damaged(dice: random.Random, sample: Any) -> Any:
    """The sample with one to four places replaced, removed, doubled or wrapped."""
    thing = copy.deepcopy(sample)
    for _ in range(dice.randint(1, 4)):
        if not (found := places(thing)):
            break
        container, key = dice.choice(found)
        match dice.randrange(5):
            case 0 if isinstance(container, dict):
                del container[key]
            case 1:
                container[key] = [container[key]]
            case 2 if isinstance(container[key], str):
                text = container[key]
                place = dice.randrange(len(text) + 1)
                container[key] = text[:place] + str(dice.choice(JUNK)) + text[place:]
            case 3:
                container[key] = copy.deepcopy(dice.choice(found)[0])
            case _:
                container[key] = copy.deepcopy(dice.choice(JUNK))
    return thing


def shown(update: Any) -> None:
    """What Slack is told to show of a press, which goes by what Slack says that it has shown."""
    match update:
        case {"message": {} as message, "actions": [{} as action, *_]}:
            chosen(message, action)


def fuzz(platform: str, seed: int, count: int) -> None:
    """Raises whatever an adapter lets out, with the update that it was."""
    dice = random.Random(seed)
    for number in range(count):
        update = damaged(dice, dice.choice(SAMPLES[platform]))
        try:
            read(platform, update)
            if platform == "slack":
                shown(update)
        except Exception as error:
            error.add_note(f"{platform}, seed {seed}, number {number}: {update!r}"[:2000])
            raise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--count", type=int, default=100_000)
    asked = parser.parse_args()
    for platform in SAMPLES:
        fuzz(platform, asked.seed, asked.count)
        print(f"{platform}: {asked.count:,} damaged updates, seed {asked.seed}: each was read or refused")


if __name__ == "__main__":
    main()
