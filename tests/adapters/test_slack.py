"""What only the Slack adapter must do; the rest is in the contract."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.slack import SlackAdapter, views
from adapters.slack.inbound import Me, plain, to_inbound
from bot.dialogue import actions
from bot.errors import DeliveryError, SettingsError
from bot.model import Attachment, Button, ChatRef, OutboundMessage, Page, Person
from tests.adapters.platforms import Inbox, deliver, kept, running, until
from tests.adapters.slack_platform import Slack
from tests.loopback.faults import Fault
from tests.loopback.slack import BOT_USER, SCOPES, TEAM

ME = Me(TEAM, BOT_USER)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(**more: Any) -> dict[str, Any]:
    base = {
        "type": "message",
        "channel": "D1",
        "channel_type": "im",
        "user": "U5",
        "team": TEAM,
        "ts": "1700000000.000001",
    }
    return {"type": "event_callback", "event_id": "Ev1", "event": base | more}


async def test_one_message_delivered_eleven_times_with_different_event_ids_is_one(slack: Slack, inbox: Inbox) -> None:
    async with running(slack.adapter(), inbox.receive):
        for number in range(11):
            kind = "app_mention" if number % 2 else "message"
            more = {"channel": "C1", "channel_type": "channel"}
            slack.server.push(slack.event(f"<@{BOT_USER}> Hallo", "1700000000.000001", kind, **more))
        await inbox.has(11)
        await slack.settled()
    [message] = inbox.kept.values()
    assert message.chat == ChatRef("slack", f"{TEAM}:C1", "1700000000.000001")
    assert message.text == "Hallo"


async def test_what_is_not_for_the_bot_is_acknowledged_all_the_same(slack: Slack, inbox: Inbox) -> None:
    async with running(slack.adapter(), inbox.receive):
        for kind in ("reaction_added", "channel_rename", "app_home_opened", "team_join"):
            slack.server.push(slack.event("", "1700000000.000001", kind))
        slack.server.push({"type": "view_submission", "team": {"id": TEAM}, "user": {"id": "U5"}}, kind="interactive")
        slack.server.push(slack.event("ich selbst", "1700000000.000002", user=BOT_USER))
        for subtype in ("channel_join", "channel_topic", "bot_message", "pinned_item"):
            slack.server.push(slack.event("", "1700000000.000003", subtype=subtype))
        await slack.settled()
    assert inbox.tried == []
    assert len(slack.server.acknowledged) == len(slack.server.delivered) == 10


async def test_a_lost_socket_is_replaced_and_what_was_not_acknowledged_comes_again(slack: Slack, inbox: Inbox) -> None:
    inbox.gate.clear()
    async with running(slack.adapter(ping=0.1), inbox.receive):
        await slack.say("Hallo")
        await until(lambda: bool(inbox.tried))
        await slack.server.hang_up()
        inbox.gate.set()
        await slack.settled()
        await slack.say("noch da?")
        await until(lambda: len(inbox.kept) == 2)
        await slack.settled()


async def test_slack_may_ask_to_move_to_another_socket(slack: Slack, inbox: Inbox) -> None:
    async with running(slack.adapter(ping=0.1), inbox.receive):
        await slack.say("vorher")
        await inbox.has(1)
        await slack.server.send_raw('{"type": "disconnect", "reason": "refresh_requested", "debug_info": {}}')
        await until(lambda: sum(method == "apps.connections.open" for method, _ in slack.server.calls) == 2)
        await slack.say("nachher")
        await until(lambda: len(inbox.kept) == 2)
        await slack.settled()


async def test_a_silent_socket_is_replaced(slack: Slack, inbox: Inbox) -> None:
    slack.server.deaf = True
    async with running(slack.adapter(ping=30, patience=0.15), inbox.receive):
        await until(lambda: any(method == "apps.connections.open" for method, _ in slack.server.calls))
        await asyncio.sleep(0.1)
        slack.server.deaf = False
        await slack.server.break_off()
        await slack.say("Hallo")
        await inbox.has(1)
        await slack.settled()


async def test_a_cancelled_adapter_finishes_what_it_has_begun_and_begins_nothing_more(
    slack: Slack, inbox: Inbox
) -> None:
    inbox.gate.clear()
    async with running(slack.adapter(), inbox.receive):
        await slack.say("eins")
        await slack.say("zwei")
        await until(lambda: bool(inbox.tried))
        asyncio.get_running_loop().call_later(0.1, inbox.gate.set)
    assert [message.text for message in inbox.arrived] == ["eins"]
    await asyncio.sleep(0.05)
    assert [message.text for message in inbox.tried] == ["eins"]


async def test_a_frame_that_is_no_payload_harms_nothing(slack: Slack, inbox: Inbox) -> None:
    async with running(slack.adapter(), inbox.receive):
        for frame in ("", "{", "[]", '{"type": "events_api"}', '{"type":"events_api","envelope_id":"x","payload":[1]}'):
            await slack.server.send_raw(frame)
        await slack.say("Hallo")
        await inbox.has(1)
        await slack.settled()


async def test_more_buttons_than_one_row_takes(slack: Slack) -> None:
    adapter = slack.adapter()
    buttons = tuple(Button("Eine ziemlich lange Aufschrift " * 4, f"topic.{number}") for number in range(30))
    await deliver(adapter, OutboundMessage(slack.chat, "Was davon?", buttons))
    [labels] = slack.buttons()
    assert len(labels) == 30


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**fett** und *kursiv* und ~~weg~~ und `a*b`", "*fett* und _kursiv_ und ~weg~ und `a*b`"),
        ("**[hier](https://x.de/?a=1&b=2|3)**", "*<https://x.de/?a=1&amp;b=2%7C3|hier>*"),
        ("**zwei\nZeilen**", "*zwei*\n*Zeilen*"),
        ("> a\n> b", "> a\n> b"),
        ("- a\n- b\n  1. c", "• a\n• b\n  1. c"),
        ("# Titel\n\nText", "*Titel*\n\nText"),
        ("```\na < b\n```", "```\na &lt; b\n```"),
        ("<!channel> @here <@U1>", "&lt;!channel&gt; @here &lt;@U1&gt;"),
    ],
)
def test_markdown_becomes_mrkdwn(slack: Slack, markdown: str, mrkdwn: str) -> None:
    [part] = slack.adapter().render(OutboundMessage(slack.chat, markdown))
    params = part.payload["params"]
    assert isinstance(params, dict)
    assert params["text"] == mrkdwn


@pytest.mark.parametrize(
    ("mrkdwn", "text"),
    [
        ("<@U0BOT> Hallo", "Hallo"),
        ("<@U0BOT|firstline>: Hallo", "Hallo"),
        ("siehe <https://x.de/?a=1&amp;b=2>", "siehe https://x.de/?a=1&b=2"),
        ("siehe <https://x.de|hier>", "siehe hier (https://x.de)"),
        (
            "<mailto:a@b.de|a@b.de> in <#C1|hilfe> an <@U7|ada> <!here> <!subteam^S1|@team>",
            "a@b.de in #hilfe an @ada @here @team",
        ),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
    ],
)
def test_mrkdwn_becomes_what_people_read(mrkdwn: str, text: str) -> None:
    assert plain(mrkdwn, ME) == text


def test_files_are_described_even_when_slack_tells_only_their_id() -> None:
    files = [
        {"id": "F1", "name": "a.pdf", "mimetype": "application/pdf", "size": 9},
        {"id": "F2", "file_access": "check_file_info"},
        {"id": "F3", "mode": "tombstone"},
    ]
    message = to_inbound(event(subtype="file_share", text="", files=files), ME, NOW)
    assert message is not None
    assert [(a.name, a.media_type, a.size, a.ref) for a in message.attachments] == [
        ("a.pdf", "application/pdf", 9, "F1"),
        ("F2", "application/octet-stream", None, "F2"),
    ]


def test_a_person_of_another_workspace_is_known_by_it() -> None:
    message = to_inbound(event(text="Hallo", user_team="T9", is_ext_shared_channel=True), ME, NOW)
    assert message is not None
    assert message.sender.id == "T9:U5"
    assert message.chat.chat_id == f"{TEAM}:D1"


def test_a_preview_that_slack_adds_is_no_edit() -> None:
    inner = {"type": "message", "user": "U5", "ts": "1700000000.000001", "text": "https://x.de", "attachments": [{}]}
    assert to_inbound(event(subtype="message_changed", message=inner), ME, NOW) is None


def test_a_forwarded_message_says_what_it_says() -> None:
    message = to_inbound(event(text="", attachments=[{"text": "Fehler 17", "fallback": "x"}]), ME, NOW)
    assert message is not None
    assert message.text == "Fehler 17"


@pytest.mark.parametrize(
    ("step", "fault", "uncertain"),
    [
        ("files.getUploadURLExternal", Fault(hang=True), False),
        ("upload", Fault(status=500), False),
        ("files.completeUploadExternal", Fault(status=429, retry_after=7), False),
        ("files.completeUploadExternal", Fault(hang=True), True),
    ],
    ids=["no-ticket", "not-uploaded", "flood", "perhaps-shared"],
)
async def test_only_the_last_step_of_sharing_a_file_can_have_been_seen(
    slack: Slack, step: str, fault: Fault, uncertain: bool
) -> None:
    slack.server.fail(step, fault)
    adapter = slack.adapter()
    file = await kept(slack, "a.log", "text/plain", b"log")
    with pytest.raises(DeliveryError) as caught:
        await deliver(adapter, OutboundMessage(slack.chat, "Siehe Anhang", attachments=(file,)))
    assert (caught.value.uncertain, caught.value.permanent) == (uncertain, False)


async def test_a_file_that_cannot_be_shared_in_this_channel_is_a_permanent_failure(slack: Slack) -> None:
    file = await kept(slack, "a.log", "text/plain", b"log")
    with pytest.raises(DeliveryError) as caught:
        await deliver(slack.adapter(), OutboundMessage(slack.unknown, "", attachments=(file,)))
    assert (caught.value.uncertain, caught.value.permanent) == (False, True)


async def _failure(slack: Slack, ref: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        _ = [piece async for piece in slack.adapter().fetch(Attachment("a.log", "text/plain", 3, ref))]
    return caught.value


async def test_a_missing_scope_is_waited_for(slack: Slack, inbox: Inbox) -> None:
    async with running(slack.adapter(), inbox.receive):
        await slack.say_with_file("Siehe Anhang", "a.log", "text/plain", b"log")
        [message] = await inbox.has(1)
        await slack.settled()
    slack.server.may_read = False
    refused = await _failure(slack, message.attachments[0].ref)
    assert not refused.permanent
    slack.server.may_read = True
    assert [piece async for piece in slack.adapter().fetch(message.attachments[0])] == [b"log"]


async def test_a_page_to_sign_in_is_not_the_file(slack: Slack) -> None:
    address = f"{slack.server.url}/files-pri/F1"
    slack.server.files["F1"] = {"id": "F1", "mimetype": "text/plain", "url_private": address}
    slack.server.contents["F1"] = b"log"
    slack.server.sign_in = True
    failure = await _failure(slack, "F1")
    assert "files:read" in str(failure)
    assert not failure.permanent


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/f",
        "http://files.slack.com/f",
        "https://slack.com.evil.example/f",
        "file:///etc/passwd",
        "",
    ],
)
async def test_the_token_never_goes_where_slack_is_not(slack: Slack, address: str) -> None:
    slack.server.files["F1"] = {"id": "F1", "mode": "external", "url_private": address}
    assert (await _failure(slack, "F1")).permanent


async def test_a_file_that_was_deleted_meanwhile_is_given_up(slack: Slack) -> None:
    assert (await _failure(slack, "F404")).permanent


# --- threads, deletions, commands ---------------------------------------------------------------------


def test_in_a_thread_people_go_on_without_naming_the_bot_unless_they_speak_to_each_other() -> None:
    where = {"channel": "C1", "channel_type": "channel", "thread_ts": "1600000000.000007"}
    said = {
        text: to_inbound(event(text=text, **where), ME, NOW)
        for text in ("geht immer noch nicht", f"<@{BOT_USER}> und jetzt?", "<@U7> schau mal", "danke <@U7>")
    }
    assert {text: message and message.overheard for text, message in said.items()} == {
        "geht immer noch nicht": True,
        f"<@{BOT_USER}> und jetzt?": False,
        "<@U7> schau mal": None,
        "danke <@U7>": True,
    }
    assert all(m.chat.thread_id == "1600000000.000007" for m in said.values() if m)
    assert to_inbound(event(text="unter uns", channel="C1", channel_type="channel"), ME, NOW) is None


async def test_a_deletion_names_what_was_deleted(slack: Slack, inbox: Inbox) -> None:
    async with running(slack.adapter(), inbox.receive):
        first = await slack.say("Mein Passwort ist geheim")
        await inbox.has(1)
        await slack.delete(first, "Mein Passwort ist geheim")
        await slack.delete(first, "Mein Passwort ist geheim")
        await inbox.has(3)
        await slack.settled()
    _, deletion = inbox.kept.values()
    assert (deletion.deletion_of, deletion.text, deletion.edit_of, deletion.chat) == (first, "", None, slack.chat)


def test_what_has_answers_becomes_a_gravestone_and_is_deleted_all_the_same() -> None:
    before = {
        "type": "message",
        "user": "U5",
        "ts": "1700000000.000001",
        "text": "weg",
        "edited": {"ts": "1700000001.0"},
    }
    stone = {"subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.", "hidden": True}
    message = to_inbound(event(subtype="message_changed", message=stone, previous_message=before), ME, NOW)
    assert message is not None
    assert (message.deletion_of, message.message_id) == ("1700000000.000001", "1700000000.000001@deleted")


def test_a_deletion_among_others_is_not_for_the_bot() -> None:
    gone = {"type": "message", "user": "U5", "ts": "1700000000.000001", "text": "unter uns"}
    there = {"channel": "C1", "channel_type": "channel"}
    assert to_inbound(event(subtype="message_deleted", previous_message=gone, **there), ME, NOW) is None
    assert to_inbound(event(subtype="message_deleted"), ME, NOW) is None


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("", actions.HELP),
        (" Hilfe ", actions.HELP),
        ("help", actions.HELP),
        ("tickets", actions.MY_TICKETS),
        ("meine  Tickets", actions.MY_TICKETS),
        ("my tickets", actions.MY_TICKETS),
        ("Person", actions.PERSON),
        ("human", actions.PERSON),
        ("Person X kann sich nicht anmelden", None),
    ],
)
async def test_a_command_is_answered_directly_wherever_it_was_typed(
    slack: Slack, inbox: Inbox, text: str, action: str | None
) -> None:
    async with running(slack.adapter(), inbox.receive):
        await slack.command(text)
        await inbox.has(1)
        await slack.settled()
    [message] = inbox.kept.values()  # a busy machine may not acknowledge it in time, and then it comes again
    assert (message.action, message.chat) == (action, ChatRef("slack", f"{TEAM}:D5"))
    assert (message.sender.id, message.sender.name) == (f"{TEAM}:U5", "ada")


async def test_a_repeated_command_is_one(slack: Slack, inbox: Inbox) -> None:
    inbox.fail = 1
    async with running(slack.adapter(), inbox.receive):
        await slack.command("tickets")
        await inbox.has(1)
        await slack.settled()
    assert len({message.message_id for message in inbox.tried}) == 1
    assert len(inbox.tried) == 2


async def test_without_the_right_to_open_a_direct_chat_the_person_is_written_to(slack: Slack, inbox: Inbox) -> None:
    slack.server.scopes -= {"im:write"}
    async with running(slack.adapter(), inbox.receive):
        await slack.command("tickets")
        [message] = await inbox.has(1)
    assert message.chat == ChatRef("slack", f"{TEAM}:U5")


# --- names --------------------------------------------------------------------------------------------


async def test_staff_read_the_name_of_a_person_and_slack_is_asked_once(slack: Slack, inbox: Inbox) -> None:
    slack.server.people["U5"] = "Ada Lovelace"
    async with running(slack.adapter(), inbox.receive):
        await slack.say("eins")
        await slack.say("zwei")
        await inbox.has(2)
    assert {message.sender.name for message in inbox.arrived} == {"Ada Lovelace"}
    assert sum(method == "users.info" for method, _ in slack.server.calls) == 1


async def test_a_stranger_without_a_name_takes_it_from_nobody_else(slack: Slack, inbox: Inbox) -> None:
    slack.server.people["U6"] = "Ben"
    async with running(slack.adapter(), inbox.receive):
        for number, user in enumerate(("U5", "U6", "U5")):
            slack.server.push(slack.event("Moin", f"1700000000.00010{number}", user=user))
        await inbox.has(3)
    assert [message.sender.name for message in inbox.arrived] == ["U5", "Ben", "U5"]
    assert sum(method == "users.info" for method, _ in slack.server.calls) == 2


@pytest.mark.parametrize("fault", [None, Fault(status=500), Fault(hang=True), Fault(drop=True)])
async def test_a_name_that_cannot_be_had_holds_nothing_up(slack: Slack, inbox: Inbox, fault: Fault | None) -> None:
    if fault is not None:
        slack.server.fail("users.info", fault)
    async with running(slack.adapter(), inbox.receive):
        await slack.say("eins")
        await inbox.has(1)
    [message] = inbox.kept.values()
    assert message.sender.name == "U5"


# --- what is shown beside the conversation ------------------------------------------------------------


async def test_a_pressed_button_is_shown_as_chosen(slack: Slack, inbox: Inbox) -> None:
    adapter = slack.adapter()
    buttons = (Button("Ja, bitte & <gern>", "yes"), Button("Nein", "no"))
    async with running(adapter, inbox.receive):
        [ts] = await deliver(adapter, OutboundMessage(slack.chat, "Darf ich das weitergeben?", buttons))
        shown = slack.server.sent["D1", ts]
        await slack.press(ts, "Ja, bitte &amp; &lt;gern&gt;", "yes", shown=shown)
        await inbox.has(1)
        await until(lambda: any(method == "chat.update" for method, _ in slack.server.calls))
        await until(lambda: slack.server.sent["D1", ts] is not shown)
    blocks = slack.server.sent["D1", ts]["blocks"]
    assert blocks[0] == shown["blocks"][0]
    assert blocks[1] == {"type": "context", "elements": [{"type": "mrkdwn", "text": "✓ Ja, bitte &amp; &lt;gern&gt;"}]}


async def test_showing_what_was_chosen_may_fail_without_harm(slack: Slack, inbox: Inbox) -> None:
    slack.server.fail("chat.update", Fault(drop=True))
    adapter = slack.adapter()
    async with running(adapter, inbox.receive):
        [ts] = await deliver(adapter, OutboundMessage(slack.chat, "Hilft das?", (Button("Ja", "yes"),)))
        await slack.press(ts, "Ja", "yes", shown=slack.server.sent["D1", ts])
        await inbox.has(1)
        await slack.settled()
        await slack.say("noch da?")
        await inbox.has(2)


async def test_the_home_tab_shows_the_page_of_whoever_opens_it(slack: Slack, inbox: Inbox) -> None:
    async def home(chat: ChatRef, person: Person) -> Page:
        assert (chat, person.id) == (ChatRef("slack", f"{TEAM}:D1"), f"{TEAM}:U5")
        return Page("**Ihre Tickets**\n\nHD-000001 & <mehr>", (Button("Mit einer Person sprechen", "person"),))

    async with running(slack.adapter(home=home), inbox.receive):
        slack.server.push(slack.event("", "1700000000.000001", "app_home_opened", tab="messages"))
        slack.server.push(slack.event("", "1700000000.000001", "app_home_opened", tab="home"))
        await until(lambda: "U5" in slack.server.homes)
        await slack.settled()
    section, row = slack.server.homes["U5"]["blocks"]
    assert section["text"]["text"] == "*Ihre Tickets*\n\nHD-000001 &amp; &lt;mehr&gt;"
    assert [element["value"] for element in row["elements"]] == ["person"]
    assert inbox.tried == []
    assert sum(method == "views.publish" for method, _ in slack.server.calls) == 1


def test_a_page_of_any_length_is_a_view_that_slack_takes() -> None:
    view = views.home(Page("\n\n".join("Wort & Wort " * 250 for _ in range(300)), (Button("Ja", "yes"),)))
    blocks = view["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) == 100


async def test_a_button_of_the_home_tab_is_answered_directly(slack: Slack, inbox: Inbox) -> None:
    action = {"type": "button", "action_id": "0:person", "value": "person", "action_ts": "1700000000.000009"}
    payload = {
        "type": "block_actions",
        "team": {"id": TEAM},
        "user": {"id": "U5", "name": "ada", "team_id": TEAM},
        "container": {"type": "view", "view_id": "V1"},
        "view": {"id": "V1", "type": "home"},
        "trigger_id": "1.2.3",
        "actions": [action | {"text": {"type": "plain_text", "text": "Mit einer Person sprechen"}}],
    }
    async with running(slack.adapter(), inbox.receive):
        slack.server.push(payload, kind="interactive")
        [message] = await inbox.has(1)
    assert (message.action, message.chat, message.reply_to) == ("person", ChatRef("slack", f"{TEAM}:D5"), None)


# --- uncertain sends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["chat", "thread"])
async def test_slack_is_asked_whether_it_has_a_message(slack: Slack, where: str) -> None:
    adapter = slack.adapter()
    chat = slack.chat if where == "chat" else slack.thread
    first, second = (replace(adapter.render(OutboundMessage(chat, t))[0], key=f"k:{t}") for t in ("eins", "zwei"))
    assert await adapter.find(first) is None
    slack.server.fail("chat.postMessage", Fault(hang=True))
    with pytest.raises(DeliveryError) as caught:
        await adapter.send(first)
    assert caught.value.uncertain
    ts = await adapter.find(first)
    assert [message["text"] for (_, at), message in slack.server.sent.items() if at == ts] == ["eins"]
    assert await adapter.find(second) is None


async def test_an_app_that_may_not_read_cannot_ask(slack: Slack) -> None:
    adapter = slack.adapter()
    part = replace(adapter.render(OutboundMessage(slack.chat, "eins"))[0], key="k")
    slack.server.scopes -= {"im:history", "channels:history", "groups:history", "mpim:history"}
    with pytest.raises(DeliveryError) as caught:
        await adapter.find(part)
    assert caught.value.permanent
    slack.server.scopes = SCOPES
    slack.server.fail("conversations.history", Fault(status=429, retry_after=7))
    with pytest.raises(DeliveryError) as caught:
        await adapter.find(part)
    assert (caught.value.permanent, caught.value.uncertain) == (False, False)
    assert caught.value.retry_after == timedelta(seconds=7)


async def test_an_edit_may_be_repeated_without_asking(slack: Slack) -> None:
    adapter = slack.adapter()
    [ts] = await deliver(adapter, OutboundMessage(slack.chat, "alt"))
    [part] = adapter.render(OutboundMessage(slack.chat, "neu", edit_of=ts))
    assert await adapter.find(replace(part, key="k")) is None


def test_an_app_needs_one_way_in_and_not_two(slack: Slack) -> None:
    for app_token, secret in ((None, None), ("xapp-1", "secret")):
        with pytest.raises(SettingsError, match="Socket Mode"):
            SlackAdapter("xoxb-1", app_token, files=slack.files, signing_secret=secret)
