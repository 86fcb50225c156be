"""What the Telegram adapter does for staff: topics, cards, marks, and letting everything through that is written there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.telegram import TelegramAdapter
from adapters.telegram.inbound import Me, to_inbound
from adapters.telegram.topics import REACTIONS
from bot.errors import DeliveryError
from bot.model import Button, Card, ChatRef, Field, InboundMessage, Mark, OutboundMessage, Person
from bot.ports import StaffSurface
from tests.adapters.platforms import Inbox, running, until
from tests.adapters.telegram_platform import COMMANDS, Telegram
from tests.loopback.faults import Fault
from tests.loopback.telegram_forum import ALLOWED, FORUM

ME, NOW = Me(42, "firstline_bot"), datetime(2026, 1, 1, tzinfo=UTC)
GROUP = ChatRef("telegram", str(FORUM))
CARD = Card(
    "staff",
    1,
    "HD-000001 · Drucker <kaputt>",
    (Field("Stand", "offen"), Field("Zuständig", "noch niemand & nirgends")),
    "- Anliegen: „Der **Drucker** ist kaputt“",
    (Button("Übernehmen", "staff:take:1"), Button("Gelöst", "staff:resolve:1"), Button("Mehr …", "staff:menu:1")),
)


@pytest.fixture
async def surface(telegram: Telegram) -> AsyncIterator[TelegramAdapter]:
    adapter = telegram.adapter(staff=(str(FORUM),))
    yield adapter
    await adapter.close()


async def opened(adapter: TelegramAdapter, card: Card = CARD) -> tuple[ChatRef, str]:
    """The topic, and the id of its card."""
    topic, drawn = adapter.draw(GROUP, card, None)
    chat = replace(GROUP, thread_id=await adapter.send(topic))
    return chat, await adapter.send(replace(drawn, chat=chat))


def topic_of(chat: ChatRef) -> tuple[int, int]:
    assert chat.thread_id is not None
    return FORUM, int(chat.thread_id)


async def test_a_ticket_is_a_topic_with_its_card_pinned_in_it(telegram: Telegram, surface: TelegramAdapter) -> None:
    assert isinstance(surface, StaffSurface)
    chat, card = await opened(surface)
    groups, sent = telegram.server.groups, telegram.server.sent[FORUM, int(card)]
    assert groups.topics[topic_of(chat)].name == "HD-000001 · Drucker <kaputt>"
    assert sent["params"]["message_thread_id"] == int(chat.thread_id or 0)
    assert sent["text"] == (
        "HD-000001 · Drucker <kaputt>\n\nStand: offen\nZuständig: noch niemand & nirgends\n\n"
        "• Anliegen: „Der Drucker ist kaputt“"
    )
    rows = sent["params"]["reply_markup"]["inline_keyboard"]
    assert [[button["text"] for button in row] for row in rows] == [["Übernehmen", "Gelöst"], ["Mehr …"]]
    await until(lambda: groups.pinned == [(FORUM, int(card))])


async def test_a_card_is_drawn_anew_in_place_and_drawing_it_twice_is_no_error(
    telegram: Telegram, surface: TelegramAdapter
) -> None:
    chat, card = await opened(surface)
    [again] = surface.draw(chat, replace(CARD, fields=(Field("Stand", "gelöst"),), buttons=()), card)
    assert [await surface.send(again), await surface.send(again)] == [card, card]
    sent = telegram.server.sent[FORUM, int(card)]
    assert "gelöst" in sent["text"]
    assert "reply_markup" not in sent["params"]
    assert len(telegram.server.sent) == 1


async def test_a_card_that_somebody_deleted_is_drawn_as_a_new_one(telegram: Telegram, surface: TelegramAdapter) -> None:
    chat, card = await opened(surface)
    del telegram.server.sent[FORUM, int(card)]
    [again] = surface.draw(chat, CARD, card)
    new = await surface.send(again)
    assert new != card
    assert telegram.server.sent[FORUM, int(new)]["params"]["message_thread_id"] == int(chat.thread_id or 0)


async def test_a_topic_that_somebody_deleted_is_told_to_be_gone(telegram: Telegram, surface: TelegramAdapter) -> None:
    chat, card = await opened(surface)
    telegram.server.groups.delete_topic(*topic_of(chat), telegram.server.sent)
    parts = [
        *surface.render(OutboundMessage(chat, "Hallo")),
        *surface.draw(chat, CARD, card),
        *surface.shut(chat, shut=False),
    ]
    for part in parts:
        with pytest.raises(DeliveryError) as caught:
            await surface.send(part)
        assert caught.value.thread_gone, part.payload["method"]
    [close] = surface.shut(chat, shut=True)
    await surface.send(close)


async def test_a_topic_is_closed_and_opened_as_often_as_is_asked(telegram: Telegram, surface: TelegramAdapter) -> None:
    chat, _ = await opened(surface)
    topic = telegram.server.groups.topics[topic_of(chat)]
    for closed in (True, True, False, False):
        [part] = surface.shut(chat, shut=closed)
        await surface.send(part)
        assert topic.closed is closed


@pytest.mark.parametrize("title", ["HD-000001 · " + "ä" * 200, "HD-000001 · " + "😀" * 200, "HD-000001 ·  \n x"])
async def test_a_topic_has_a_name_that_telegram_takes(telegram: Telegram, surface: TelegramAdapter, title: str) -> None:
    chat, _ = await opened(surface, replace(CARD, title=title))
    assert telegram.server.groups.topics[topic_of(chat)].name.startswith("HD-000001 ·")


async def test_a_card_that_is_too_long_loses_its_end(telegram: Telegram, surface: TelegramAdapter) -> None:
    _, card = await opened(surface, replace(CARD, body="- Anliegen: " + "Wort <&> 😀 " * 1000))
    text = telegram.server.sent[FORUM, int(card)]["text"]
    assert text.endswith("…")
    assert len(text.encode("utf-16-le")) // 2 > 4000


def test_bots_may_react_with_what_the_marks_are() -> None:
    assert set(REACTIONS.values()) <= ALLOWED
    assert set(REACTIONS) == set(Mark)
    assert len(set(REACTIONS.values())) == len(Mark)


async def written(telegram: Telegram, chat: ChatRef, text: str = "Hallo", **more: Any) -> str:
    """The id of what somebody of staff has written."""
    post = telegram.message(text, 900, chat={"id": FORUM, "type": "supergroup"}, **more)
    if chat.thread_id is not None:
        post |= {"is_topic_message": True, "message_thread_id": int(chat.thread_id)}
    await telegram.server.push(message=post)
    return "900"


async def test_a_mark_is_a_reaction_and_the_last_one_stays(telegram: Telegram, surface: TelegramAdapter) -> None:
    chat, _ = await opened(surface)
    message = await written(telegram, chat)
    for mark in (Mark.SENDING, Mark.SENT, Mark.SENT):
        [part] = surface.mark(chat, message, mark)
        await surface.send(part)
    assert telegram.server.groups.reactions == {(FORUM, 900): "👌"}


async def test_a_mark_on_what_its_writer_has_deleted_is_no_failure(surface: TelegramAdapter) -> None:
    chat, _ = await opened(surface)
    [part] = surface.mark(chat, "777", Mark.SENT)
    await surface.send(part)


async def test_where_reactions_are_not_allowed_the_tick_is_a_message(
    telegram: Telegram, surface: TelegramAdapter
) -> None:
    chat, _ = await opened(surface)
    message = await written(telegram, chat)
    telegram.server.groups.allowed[FORUM] = frozenset("❤")
    [sending], [sent] = surface.mark(chat, message, Mark.SENDING), surface.mark(chat, message, Mark.SENT)
    before = len(telegram.server.sent)
    await surface.send(sending)
    await surface.send(sent)
    assert len(telegram.server.sent) == before + 1, "that it is on its way needs no message"
    said = list(telegram.server.sent.values())[-1]
    assert said["text"] == "👌"
    assert said["params"]["reply_parameters"]["message_id"] == 900
    assert said["params"]["message_thread_id"] == int(chat.thread_id or 0)


@pytest.mark.parametrize(
    ("status", "more", "member"),
    [
        ("creator", {}, True),
        ("administrator", {}, True),
        ("member", {}, True),
        ("restricted", {"is_member": True}, True),
        ("restricted", {"is_member": False}, False),
        ("left", {}, False),
        ("kicked", {}, False),
    ],
)
async def test_a_member_is_who_telegram_says_is_one(
    telegram: Telegram, surface: TelegramAdapter, status: str, more: dict[str, Any], member: bool
) -> None:
    telegram.server.groups.join(FORUM, 5, status, **more)
    assert await surface.is_member(GROUP, Person("5", "Ada")) is member


@pytest.mark.parametrize("person", ["6", "-1001", "0", "GroupAnonymousBot", "²"])
async def test_nobody_else_is_a_member(surface: TelegramAdapter, person: str) -> None:
    assert not await surface.is_member(GROUP, Person(person, "Gruppe"))


@pytest.mark.parametrize("fault", [Fault(status=429, retry_after=3), Fault(status=502), Fault(drop=True)], ids=repr)
async def test_whether_somebody_is_a_member_may_not_be_known_just_now(
    telegram: Telegram, surface: TelegramAdapter, fault: Fault
) -> None:
    telegram.server.fail("getChatMember", fault)
    with pytest.raises(DeliveryError) as caught:
        await surface.is_member(GROUP, Person("5", "Ada"))
    assert not caught.value.permanent


@pytest.mark.parametrize("missing", ["can_manage_topics", "status"])
async def test_a_right_that_is_missing_keeps_what_is_to_be_said_and_says_so(
    telegram: Telegram, surface: TelegramAdapter, missing: str
) -> None:
    del telegram.server.groups.bot[FORUM][missing]
    topic, _ = surface.draw(GROUP, CARD, None)
    with pytest.raises(DeliveryError, match="firstline doctor telegram") as caught:
        await surface.send(topic)
    assert (caught.value.permanent, caught.value.uncertain) == (False, False)


async def test_a_card_is_not_pinned_where_the_bot_may_not_and_nothing_else_fails(
    telegram: Telegram, surface: TelegramAdapter
) -> None:
    telegram.server.groups.bot[FORUM]["can_pin_messages"] = False
    await opened(surface)
    await until(lambda: any(method == "pinChatMessage" for method, _ in telegram.server.calls))
    assert not telegram.server.groups.pinned


async def test_a_bot_that_was_put_out_of_the_group_keeps_what_is_to_be_said(
    telegram: Telegram, surface: TelegramAdapter
) -> None:
    chat, _ = await opened(surface)
    telegram.server.blocked.add(FORUM)
    [part] = surface.render(OutboundMessage(chat, "Hallo"))
    with pytest.raises(DeliveryError, match="put it in again") as caught:
        await surface.send(part)
    assert not caught.value.permanent


async def test_an_answer_in_place_of_what_was_deleted_is_said_all_the_same(
    telegram: Telegram, surface: TelegramAdapter
) -> None:
    chat, _ = await opened(surface)
    [part] = surface.render(OutboundMessage(chat, "Erledigt.", edit_of="123"))
    await surface.send(part)
    said = list(telegram.server.sent.values())[-1]
    assert (said["text"], said["params"]["message_thread_id"]) == ("Erledigt.", int(chat.thread_id or 0))


async def test_who_is_called_is_called_by_number(telegram: Telegram, surface: TelegramAdapter) -> None:
    chat, _ = await opened(surface)
    people = (Person("5", "Ada & <L.>"), Person("6", "Kim"))
    [part] = surface.render(OutboundMessage(chat, "**Nicht zugestellt.**", mentions=people))
    await surface.send(part)
    said = list(telegram.server.sent.values())[-1]
    assert said["text"] == "Ada & <L.> Kim Nicht zugestellt."
    assert '<a href="tg://user?id=5">Ada &amp; &lt;L.&gt;</a>' in said["params"]["text"]


# --- what is written there ----------------------------------------------------------------------------


def read(text: str = "", **more: Any) -> InboundMessage | None:
    sender = {"id": 5, "is_bot": False, "first_name": "Ada"}
    chat = {"id": FORUM, "type": "supergroup", "is_forum": True}
    post = {"message_id": 3, "date": 1700000000, "chat": chat, "from": sender, "text": text, **more}
    return to_inbound({"update_id": 7, "message": post}, ME, NOW, {c.name: c for c in COMMANDS}, (str(FORUM),))


@pytest.mark.parametrize(
    ("text", "entities", "left"),
    [
        ("Bitte neu starten", [], "Bitte neu starten"),
        ("/hilfe", [{"type": "bot_command", "offset": 0, "length": 6}], "/hilfe"),
        ("/take@firstline_bot", [{"type": "bot_command", "offset": 0, "length": 19}], "/take"),
        ("/start inv_0123456789abcdef", [], "/start inv_0123456789abcdef"),
        ("  // eingerückt", [], "  // eingerückt"),
    ],
)
def test_everything_is_for_the_bot_and_stays_as_it_was_written(text: str, entities: list[Any], left: str) -> None:
    message = read(text, entities=entities)
    assert message is not None
    assert (message.text, message.action, message.invitation) == (left, None, None)


def test_in_a_topic_it_belongs_to_the_topic_and_in_general_to_none() -> None:
    opening = {"message_id": 7, "from": {"id": 42, "is_bot": True}, "forum_topic_created": {"name": "HD-000001"}}
    inside = read("a", is_topic_message=True, message_thread_id=7, reply_to_message=opening)
    outside = read("b", message_thread_id=9, reply_to_message={"message_id": 9, "from": {"id": 42, "is_bot": True}})
    assert inside is not None
    assert outside is not None
    assert (inside.chat, inside.reply_to) == (ChatRef("telegram", str(FORUM), "7"), None)
    assert (outside.chat, outside.reply_to) == (GROUP, "9")


def test_who_writes_in_the_name_of_the_group_is_heard_but_is_nobody() -> None:
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
    message = read("Ich bin der Chef", **{"from": anonymous, "sender_chat": {"id": FORUM, "title": "Helpdesk"}})
    assert message is not None
    assert message.sender == Person(str(FORUM), "Helpdesk")
    other = {"id": 99, "is_bot": True, "first_name": "Other"}
    assert read("Werbung", **{"from": other}) is None, "another bot"


@pytest.mark.parametrize(
    "content",
    [
        {"forum_topic_closed": {}},
        {"forum_topic_edited": {"name": "x"}},
        {"pinned_message": {"message_id": 3}},
        {"new_chat_members": [{"id": 6}]},
    ],
)
def test_what_telegram_itself_says_there_is_no_message(content: dict[str, Any]) -> None:
    assert read(**content) is None


async def test_the_buttons_of_a_card_stay_when_one_is_pressed(telegram: Telegram, inbox: Inbox) -> None:
    adapter = telegram.adapter(staff=(str(FORUM),))
    chat, card = await opened(adapter)
    async with running(adapter, inbox.receive):
        sent = telegram.server.sent[FORUM, int(card)]
        shown = telegram.message("?", int(card), chat={"id": FORUM, "type": "supergroup"}) | {
            "reply_markup": sent["params"]["reply_markup"],
            "is_topic_message": True,
            "message_thread_id": int(chat.thread_id or 0),
        }
        telegram.server.presses.add("q1")
        sender = telegram.message("", 0)["from"]
        await telegram.server.push(
            callback_query={"id": "q1", "from": sender, "message": shown, "chat_instance": "1", "data": "staff:take:1"}
        )
        await until(lambda: telegram.server.answered == ["q1"])
        await telegram.settled()
    [pressed] = inbox.arrived
    assert (pressed.chat, pressed.action, pressed.text) == (chat, "staff:take:1", "Übernehmen")
    assert not any(method == "editMessageReplyMarkup" for method, _ in telegram.server.calls)
