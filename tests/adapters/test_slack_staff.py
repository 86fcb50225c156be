"""What the Slack adapter does for staff: threads, cards, marks, and letting everything through that is written in their channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.slack import SlackAdapter
from adapters.slack.inbound import Me, to_inbound
from bot.errors import DeliveryError
from bot.model import Button, Card, ChatRef, Field, Form, FormField, InboundMessage, Mark, OutboundMessage, Person
from bot.ports import StaffSurface
from tests.adapters.platforms import Inbox, deliver, kept, running
from tests.adapters.slack_platform import Slack
from tests.loopback.faults import Fault
from tests.loopback.slack import BOT_USER, SCOPES, TEAM

DESK = "C0DESK"
ME, NOW = Me(TEAM, BOT_USER, frozenset({DESK})), datetime(2026, 1, 1, tzinfo=UTC)
CHANNEL = ChatRef("slack", DESK)
CARD = Card(
    "staff",
    1,
    "HD-000001 · Drucker <kaputt>",
    (Field("Stand", "offen"), Field("Zuständig", "noch niemand & <!channel>")),
    "- Anliegen: „Der **Drucker** ist kaputt“",
    (Button("Übernehmen", "staff:take:1"), Button("Gelöst", "staff:resolve:1"), Button("Mehr …", "staff:menu:1")),
)


@pytest.fixture
async def surface(slack: Slack) -> AsyncIterator[SlackAdapter]:
    slack.server.channels.add(DESK)
    adapter = slack.adapter(staff=(DESK,))
    yield adapter
    await adapter.close()


async def opened(adapter: SlackAdapter, card: Card = CARD) -> ChatRef:
    """The thread, of which the card is the root."""
    [root] = adapter.draw(CHANNEL, card, None)
    return replace(CHANNEL, thread_id=await adapter.send(root))


def there(text: str = "Hallo", *, ts: str = "1700000000.000002", **more: Any) -> InboundMessage | None:
    """What becomes of a message in the channel of staff."""
    base = {"type": "message", "channel": DESK, "channel_type": "channel", "user": "U7", "team": TEAM}
    event = base | {"text": text, "ts": ts} | more
    return to_inbound({"type": "event_callback", "event_id": "Ev1", "event": event}, ME, NOW)


BELOW = {"thread_ts": "1700000000.000001", "parent_user_id": BOT_USER}


async def test_a_ticket_is_a_message_with_buttons_whose_thread_is_the_tickets(
    slack: Slack, surface: SlackAdapter
) -> None:
    assert isinstance(surface, StaffSurface)
    chat = await opened(surface)
    [said] = slack.server.sent.values()
    assert [block["type"] for block in said["blocks"]] == ["header", "section", "section", "actions"]
    assert said["text"] == "HD-000001 · Drucker &lt;kaputt&gt; · offen · noch niemand &amp; &lt;!channel&gt;"
    assert said["blocks"][-1]["elements"][0]["value"] == "staff:take:1"
    [reply] = surface.render(OutboundMessage(CHANNEL, "Bisher gesprochen"))
    await surface.send(replace(reply, chat=chat))
    assert list(slack.server.sent.values())[-1]["thread_ts"] == chat.thread_id
    assert surface.shut(chat, shut=True) == ()


async def test_a_card_is_drawn_anew_in_place(slack: Slack, surface: SlackAdapter) -> None:
    chat = await opened(surface)
    [again] = surface.draw(chat, replace(CARD, fields=(Field("Zuständig", "Kim"),), buttons=()), chat.thread_id)
    assert [await surface.send(again), await surface.send(again)] == [chat.thread_id] * 2
    [said] = slack.server.sent.values()
    assert "Kim" in said["text"]
    assert "actions" not in {block["type"] for block in said["blocks"]}


async def test_a_card_of_any_size_can_be_shown(slack: Slack, surface: SlackAdapter) -> None:
    fields = tuple(Field(f"<{n}>" * 100, "&" * 5000) for n in range(20))
    await opened(surface, Card("staff", 1, "T" * 999, fields, "**B** & " * 3000, CARD.buttons))
    await opened(surface, Card("staff", 1, "HD-000001"))
    assert len(slack.server.sent) == 2


async def test_a_card_that_somebody_deleted_is_a_thread_that_is_gone(slack: Slack, surface: SlackAdapter) -> None:
    chat = await opened(surface)
    slack.server.delete(DESK, chat.thread_id or "")
    [again] = surface.draw(chat, CARD, chat.thread_id)
    with pytest.raises(DeliveryError) as gone:
        await surface.send(again)
    assert gone.value.thread_gone


async def test_a_menu_that_somebody_deleted_is_not_a_thread_that_is_gone(slack: Slack, surface: SlackAdapter) -> None:
    chat = await opened(surface)
    [changed] = surface.render(OutboundMessage(chat, "Erledigt.", edit_of="1700000000.999999"))
    with pytest.raises(DeliveryError) as refused:
        await surface.send(changed)
    assert refused.value.permanent
    assert not refused.value.thread_gone


async def test_marks_take_each_others_place_and_may_be_made_twice(slack: Slack, surface: SlackAdapter) -> None:
    item = (DESK, "1700000000.000005")
    slack.server.written[item] = {}

    async def marked(mark: Mark) -> list[str]:
        for _ in range(2):
            [part] = surface.mark(CHANNEL, item[1], mark)
            assert surface.limits.pace_after(part) == 0
            await surface.send(part)
        return slack.server.reactions[item]

    assert await marked(Mark.SENDING) == ["hourglass_flowing_sand"]
    assert await marked(Mark.FAILED) == ["x"]
    assert await marked(Mark.SENT) == ["white_check_mark"]


async def test_a_mark_on_what_is_deleted_or_without_the_right_to_mark_holds_up_nothing(
    slack: Slack, surface: SlackAdapter
) -> None:
    [part] = surface.mark(CHANNEL, "1700000000.000005", Mark.SENT)
    assert await surface.send(part)
    slack.server.scopes = SCOPES - {"reactions:write"}
    assert await surface.send(part)


async def test_a_mark_is_put_off_by_a_limit_but_tidying_up_is_not(slack: Slack, surface: SlackAdapter) -> None:
    item = (DESK, "1700000000.000005")
    slack.server.written[item] = {}
    [part] = surface.mark(CHANNEL, item[1], Mark.SENT)
    slack.server.fail("reactions.add", Fault(status=429, retry_after=3))
    with pytest.raises(DeliveryError) as limited:
        await surface.send(part)
    assert limited.value.retry_after is not None
    slack.server.fail("reactions.remove", Fault(status=429, retry_after=3))
    await surface.send(part)
    assert slack.server.reactions[item] == ["white_check_mark"]


async def test_members_are_known_by_id_over_all_pages_and_nobody_of_another_organisation_is_one(
    slack: Slack, surface: SlackAdapter
) -> None:
    slack.server.members[DESK] = ["U1", "U2", "U3"]
    chat = ChatRef("slack", f"{TEAM}:{DESK}", "1700000000.000001")
    found = {who: await surface.is_member(chat, Person(who, "Kim")) for who in (f"{TEAM}:U3", f"{TEAM}:U9", "T9:U1")}
    assert found == {f"{TEAM}:U3": True, f"{TEAM}:U9": False, "T9:U1": False}
    slack.server.fail("conversations.members", Fault(status=500))
    with pytest.raises(DeliveryError):
        await surface.is_member(chat, Person(f"{TEAM}:U1", "Kim"))


async def test_whoever_is_called_is_called_so_that_slack_tells_them(slack: Slack, surface: SlackAdapter) -> None:
    people = (Person(f"{TEAM}:U7", "Kim"), Person("U8", "Mira"))
    await deliver(surface, OutboundMessage(CHANNEL, "**Nicht zugestellt** <@U9>", mentions=people))
    [said] = slack.server.sent.values()
    assert said["text"] == "<@U7> <@U8> *Nicht zugestellt* &lt;@U9&gt;"


async def test_a_file_for_staff_goes_into_the_thread(slack: Slack, surface: SlackAdapter) -> None:
    file = await kept(slack, "fehler.log", "text/plain", b"ERROR 17")
    chat = await opened(surface)
    [part] = surface.render(OutboundMessage(CHANNEL, "📎 fehler.log", attachments=(file,)))
    await surface.send(replace(part, chat=chat))
    [shared] = slack.server.shared
    assert (shared["thread_ts"], shared["channel"], shared["comment"]) == (chat.thread_id, DESK, "📎 fehler.log")


def test_what_is_written_in_a_tickets_thread_comes_through_whoever_is_named_in_it() -> None:
    for text in ("Hallo", "<@U8> schau mal", "!erledigt", "/hilfe", "// nur für uns"):
        message = there(text, **BELOW)
        assert message is not None
        assert not message.overheard
        assert message.chat == ChatRef("slack", f"{TEAM}:{DESK}", "1700000000.000001")
        assert message.action is None
    assert there("/hilfe", **BELOW).text == "/hilfe"  # type: ignore[union-attr]


def test_staffs_own_talk_is_not_for_the_bot_but_their_commands_are_heard_anywhere() -> None:
    for more in ({}, {"thread_ts": "1700000000.000001", "parent_user_id": "U8"}):
        assert there("Wer geht essen?", **more) is None
        order = there("!tickets", **more)
        assert order is not None
        assert order.chat.thread_id == more.get("thread_ts")
        assert there(f"<@{BOT_USER}> !tickets", **more).text == "!tickets"  # type: ignore[union-attr]


def test_below_the_gravestone_of_a_card_one_is_not_talking_among_oneself() -> None:
    message = there("Ich komme gleich", thread_ts="1700000000.000001", parent_user_id="USLACKBOT")
    assert message is not None


def test_edits_deletions_and_files_of_staff_come_through() -> None:
    before = {"type": "message", "user": "U7", "team": TEAM, "ts": "1700000000.000002", "text": "alt", **BELOW}
    now = before | {"text": "neu", "edited": {"user": "U7", "ts": "1700000009.000000"}}
    edit = there(subtype="message_changed", message=now, previous_message=before)
    assert edit is not None
    assert (edit.text, edit.edit_of, edit.chat.thread_id) == ("neu", "1700000000.000002", "1700000000.000001")
    deletion = there(subtype="message_deleted", previous_message=before)
    assert deletion is not None
    assert (deletion.deletion_of, deletion.chat.thread_id) == ("1700000000.000002", "1700000000.000001")
    file = there("Anbei", subtype="file_share", files=[{"id": "F1", "name": "a.pdf"}], **BELOW)
    assert file is not None
    assert [attachment.name for attachment in file.attachments] == ["a.pdf"]


@pytest.mark.parametrize("answered", [False, True], ids=["vanishes", "leaves a gravestone"])
async def test_a_deleted_card_is_told_of_in_its_thread(slack: Slack, surface: SlackAdapter, answered: bool) -> None:
    chat = await opened(surface)
    if answered:
        await deliver(surface, OutboundMessage(chat, "Bisher gesprochen"))
    event = slack.server.delete(DESK, chat.thread_id or "")
    assert ((DESK, chat.thread_id) in slack.server.gravestones) is answered
    message = to_inbound({"type": "event_callback", "event": event}, ME, NOW)
    assert message is not None
    assert message.deletion_of == message.chat.thread_id == chat.thread_id
    elsewhere = to_inbound({"type": "event_callback", "event": event}, Me(TEAM, BOT_USER), NOW)
    assert elsewhere is None, "where customers write nobody need know"


async def test_a_press_on_a_card_is_in_its_thread_and_leaves_the_card_to_the_core(
    slack: Slack, surface: SlackAdapter, inbox: Inbox
) -> None:
    slack.server.people["U7"] = "Kim Berger"
    chat = await opened(surface)
    async with running(surface, inbox.receive):
        slack.server.push(slack.pressed(DESK, chat.thread_id or "", "staff:take:1"), kind="interactive")
        [message] = await inbox.has(1)
        await slack.settled()
    assert message.chat == ChatRef("slack", f"{TEAM}:{DESK}", chat.thread_id)
    assert (message.action, message.sender) == ("staff:take:1", Person(f"{TEAM}:U7", "Kim Berger"))
    assert "chat.update" not in [method for method, _ in slack.server.calls]


async def _a_form(message: InboundMessage) -> Form | None:
    field = FormField("staff:resolve:1:=", "Ein Satz", always=True)
    return Form("HD-000001", "Gelöst", (field,)) if message.action == "staff:resolve:1" else None


@pytest.mark.parametrize("fault", [Fault(), Fault(hang=True), Fault(cut=True)], ids=["answered", "hangs", "is cut off"])
async def test_a_press_that_opens_a_form_is_no_message_however_often_slack_brings_it(
    slack: Slack, inbox: Inbox, fault: Fault
) -> None:
    slack.server.channels.add(DESK)
    slack.server.ack_within = 1.5
    adapter = slack.adapter(staff=(DESK,), form=_a_form)
    chat = await opened(adapter)
    pressed = slack.pressed(DESK, chat.thread_id or "", "staff:resolve:1")
    slack.server.triggers.add(pressed["trigger_id"])
    slack.server.fail("views.open", fault)
    async with running(adapter, inbox.receive):
        for _ in range(2):
            slack.server.push(pressed, kind="interactive")
            await slack.settled()
        assert inbox.tried == []
        [view] = slack.server.views.values()
        values = {"0": {"value": {"type": "plain_text_input", "value": "Es geht wieder."}}}
        slack.server.push(
            {
                "type": "view_submission",
                "team": {"id": TEAM},
                "user": {"id": "U7", "name": "kim", "team_id": TEAM},
                "view": view | {"state": {"values": values}},
            },
            kind="interactive",
        )
        [message] = await inbox.has(1)
        await slack.settled()
    assert (message.action, message.text) == ("staff:resolve:1:=", "Es geht wieder.")
    assert message.chat == ChatRef("slack", f"{TEAM}:{DESK}", chat.thread_id)


async def test_a_trigger_that_is_too_old_makes_the_press_a_message(slack: Slack, inbox: Inbox) -> None:
    slack.server.channels.add(DESK)
    adapter = slack.adapter(staff=(DESK,), form=_a_form)
    chat = await opened(adapter)
    async with running(adapter, inbox.receive):
        slack.server.push(slack.pressed(DESK, chat.thread_id or "", "staff:resolve:1"), kind="interactive")
        [message] = await inbox.has(1)
        await slack.settled()
    assert message.action == "staff:resolve:1"


async def test_the_slash_command_in_the_channel_of_staff_is_an_order(
    slack: Slack, surface: SlackAdapter, inbox: Inbox
) -> None:
    async with running(surface, inbox.receive):
        await slack.command("tickets", user="U7", channel=DESK)
        await slack.command("", user="U7", channel=DESK)
        await slack.command("tickets", user="U7", channel="C1")
        orders = await inbox.has(3)
        await slack.settled()
    assert [order.text for order in orders] == ["/tickets", "/help", "tickets"]
    assert [order.action for order in orders] == [None, None, "my_tickets"]
    assert orders[0].chat == ChatRef("slack", f"{TEAM}:{DESK}")
