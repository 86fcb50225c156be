"""What only the Telegram adapter must do; the rest is in the contract."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.telegram.inbound import Me, to_inbound
from bot.errors import DeliveryError
from bot.model import Attachment, Button, ChatRef, OutboundMessage
from tests.adapters.platforms import Inbox, deliver, kept, running, until
from tests.adapters.telegram_platform import COMMANDS, Telegram
from tests.loopback.faults import Fault

ME = Me(42, "firstline_bot")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILE = {"file_id": "F1", "file_unique_id": "u", "file_size": 9}


def message(**more: Any) -> dict[str, Any]:
    sender = {"id": 5, "is_bot": False, "first_name": "Ada"}
    chat = {"id": 1, "type": "private"}
    return {"update_id": 7, "message": {"message_id": 3, "date": 1700000000, "chat": chat, "from": sender, **more}}


async def test_every_poll_says_what_it_wants_and_confirms_only_what_was_received(
    telegram: Telegram, inbox: Inbox
) -> None:
    async with running(telegram.adapter(), inbox.receive):
        await telegram.say("eins")
        await telegram.say("zwei")
        inbox.fail = 1
        await inbox.has(2)
        await telegram.settled()
    polls = [params for method, params in telegram.server.calls if method == "getUpdates"]
    assert all(json.loads(poll["allowed_updates"]) == ["message", "edited_message", "callback_query"] for poll in polls)
    assert "offset" not in polls[0]
    assert [int(poll["offset"]) for poll in polls if "offset" in poll][-1] == 1003


async def test_a_pressed_button_stops_spinning_and_is_the_only_one_left(telegram: Telegram, inbox: Inbox) -> None:
    inbox.fail = 1
    adapter = telegram.adapter()
    [sent] = await deliver(adapter, OutboundMessage(telegram.chat, "?", (Button("Ja", "yes"), Button("Nein", "no"))))
    async with running(adapter, inbox.receive):
        await telegram.press(sent, "Ja", "yes")
        await until(lambda: telegram.buttons() == [["✓ Ja"]])
        await telegram.press(sent, "✓ Ja", "pressed")
        await until(lambda: len(telegram.server.answered) == 2)
        await telegram.settled()
    assert [message.action for message in inbox.tried] == ["yes", "yes"], "once in vain, once received"
    assert telegram.buttons() == [["✓ Ja"]]


@pytest.mark.parametrize("method", ["answerCallbackQuery", "editMessageReplyMarkup"])
@pytest.mark.parametrize("fault", [Fault(status=400), Fault(hang=True), Fault(status=429, retry_after=9)], ids=repr)
async def test_a_courtesy_that_fails_does_no_harm_and_holds_nothing_up(
    telegram: Telegram, inbox: Inbox, method: str, fault: Fault
) -> None:
    telegram.server.fail(method, fault)
    async with running(telegram.adapter(), inbox.receive):
        await telegram.press("500", "Ja", "yes")
        await telegram.say("Hallo")
        await inbox.has(2)
        await telegram.settled()


async def test_typing_is_shown_once_in_a_while_and_in_the_right_topic(telegram: Telegram) -> None:
    adapter = telegram.adapter()
    for _ in range(3):
        adapter.working(telegram.chat)
        adapter.working(telegram.thread)
    await until(lambda: len(telegram.server.shown) == 2)
    await adapter.close()
    assert sorted(telegram.server.shown, key=str) == [(-100, 7), (1, None)]


async def test_typing_never_fails_anything(telegram: Telegram, unused_tcp_port: int) -> None:
    nowhere = telegram.adapter(url=f"http://127.0.0.1:{unused_tcp_port}")
    nowhere.working(telegram.chat)
    nowhere.working(telegram.unknown)
    await asyncio.sleep(0.1)
    await nowhere.close()


async def test_each_language_gets_a_menu_of_its_own_commands(telegram: Telegram, inbox: Inbox) -> None:
    async with running(telegram.adapter(), inbox.receive):
        await until(lambda: len(telegram.server.menus) == 3)
    menus = {language: [c["command"] for c in menu] for language, menu in telegram.server.menus.items()}
    german = ["hilfe", "meine_tickets", "person"]
    assert menus == {"": german, "de": german, "en": ["help", "tickets"]}


async def test_a_menu_that_cannot_be_set_keeps_nobody_from_being_heard(telegram: Telegram, inbox: Inbox) -> None:
    telegram.server.fail("setMyCommands", Fault(status=429, retry_after=60))
    async with running(telegram.adapter(), inbox.receive):
        await telegram.say("Hallo")
        await inbox.has(1)


@pytest.mark.parametrize(
    ("text", "action", "left"),
    [
        ("/hilfe", "help", "/hilfe"),
        (" /Hilfe\n", "help", " /Hilfe\n"),
        ("/start", "help", "/start"),
        ("/tickets", "my_tickets", "/tickets"),
        ("/hilfe der Export geht nicht", None, "hilfe der Export geht nicht"),
        ("/meine_tickets HD-000001", None, "meine tickets HD-000001"),
        ("/person der Drucker\nist kaputt", "person", "der Drucker\nist kaputt"),
        ("/unbekannt", None, "/unbekannt"),
        ("/usr/bin fehlt", None, "/usr/bin fehlt"),
        ("/start@firstline_bot", None, "/start@firstline_bot"),
    ],
)
def test_a_command_is_an_action_and_words_behind_it_are_never_lost(text: str, action: str | None, left: str) -> None:
    inbound = to_inbound(message(text=text), ME, NOW, {c.name: c for c in COMMANDS})
    assert inbound is not None
    assert (inbound.action, inbound.text) == (action, left)


def test_an_edit_is_no_command() -> None:
    edited = {"update_id": 7, "edited_message": message(text="/hilfe", edit_date=1700000001)["message"]}
    inbound = to_inbound(edited, ME, NOW, {c.name: c for c in COMMANDS})
    assert inbound is not None
    assert (inbound.action, inbound.text) == (None, "/hilfe")


@pytest.mark.parametrize(
    ("text", "called", "left"),
    [
        ("@firstline_bot Export geht nicht", "@firstline_bot", "Export geht nicht"),
        ("Hallo @firstline_bot, Export geht nicht", "@firstline_bot", "Hallo Export geht nicht"),
        ("Hilfst du, @firstline_bot?", "@firstline_bot", "Hilfst du?"),
        ("😀😀 @Firstline_Bot: Export", "@Firstline_Bot", "😀😀 Export"),
        ("Zeile eins\n@firstline_bot\nZeile zwei", "@firstline_bot", "Zeile eins\n\nZeile zwei"),
        ("@firstline_bot schreib an hilfe@firstline_bot.de", "@firstline_bot", "schreib an hilfe@firstline_bot.de"),
    ],
)
def test_the_name_by_which_the_bot_is_called_is_cut_out(text: str, called: str, left: str) -> None:
    at = len(text[: text.index(called)].encode("utf-16-le")) // 2
    entities = [{"type": "mention", "offset": at, "length": len(called)}]
    group = {"id": -100, "type": "supergroup"}
    inbound = to_inbound(message(text=text, entities=entities, chat=group), ME, NOW)
    assert inbound is not None
    assert inbound.text == left


def test_a_command_to_the_bot_in_a_group_is_an_action() -> None:
    entities = [{"type": "bot_command", "offset": 0, "length": 20}]
    update = message(text="/hilfe@firstline_bot", entities=entities, chat={"id": -100, "type": "supergroup"})
    inbound = to_inbound(update, ME, NOW, {c.name: c for c in COMMANDS})
    assert inbound is not None
    assert (inbound.action, inbound.text) == ("help", "/hilfe")


async def test_a_group_is_given_more_time_between_two_sends_than_a_person(telegram: Telegram) -> None:
    adapter = telegram.adapter()
    [in_a_group] = adapter.render(OutboundMessage(ChatRef("telegram", "-100", "7"), "Hallo"))
    [to_a_person] = adapter.render(OutboundMessage(telegram.chat, "Hallo"))
    assert 60 / adapter.limits.pace_after(in_a_group) <= 20
    assert adapter.limits.pace_after(to_a_person) == 1


async def test_no_more_is_sent_at_once_than_telegram_takes_over_all_chats(telegram: Telegram) -> None:
    telegram.server.chats |= set(range(2, 30))
    adapter = telegram.adapter()
    began = asyncio.get_running_loop().time()
    await asyncio.gather(
        *(deliver(adapter, OutboundMessage(ChatRef("telegram", str(n)), "Hallo")) for n in range(1, 21))
    )
    took = asyncio.get_running_loop().time() - began
    await adapter.close()
    assert len(telegram.sent) == 20
    assert took >= 19 / 30


@pytest.mark.parametrize(
    "fault", [Fault(status=409), Fault(status=429, retry_after=1), Fault(status=502, html=True), Fault(drop=True)]
)
async def test_a_failed_poll_is_tried_again(telegram: Telegram, inbox: Inbox, fault: Fault) -> None:
    telegram.server.fail("getUpdates", fault)
    async with running(telegram.adapter(), inbox.receive):
        await telegram.say("Hallo")
        await inbox.has(1)


async def test_an_update_without_a_number_does_not_spin(telegram: Telegram, inbox: Inbox) -> None:
    telegram.server._queue[5] = {"message": {}}
    async with running(telegram.adapter(), inbox.receive):
        await until(lambda: len(telegram.server.calls) > 3)
        await telegram.say("Hallo")
        await inbox.has(1)
        await telegram.settled()
    assert len(telegram.server.calls) < 12


async def test_whoever_blocks_the_bot_cannot_be_reached_any_more(telegram: Telegram) -> None:
    telegram.server.blocked.add(1)
    adapter = telegram.adapter()
    with pytest.raises(DeliveryError, match="Forbidden") as caught:
        await deliver(adapter, OutboundMessage(telegram.chat, "Hallo"))
    await adapter.close()
    assert (caught.value.permanent, caught.value.unreachable) == (True, True)


async def test_a_group_that_has_become_a_supergroup_is_told_with_its_new_number(telegram: Telegram) -> None:
    telegram.server.chats.add(-1009)
    telegram.server.migrated[-9] = -1009
    adapter = telegram.adapter()
    [part] = adapter.render(OutboundMessage(ChatRef("telegram", "-9"), "Hallo"))
    with pytest.raises(DeliveryError) as caught:
        await adapter.send(part)
    assert (caught.value.permanent, caught.value.uncertain, caught.value.moved_to) == (False, False, "-1009")
    await adapter.send(replace(part, chat=ChatRef("telegram", "-1009")))
    await adapter.close()
    assert [chat for chat, _ in telegram.server.sent] == [-1009]


def test_the_word_that_a_group_has_moved_is_passed_on() -> None:
    inbound = to_inbound(message(migrate_to_chat_id=-1009, chat={"id": -9, "type": "group"}), ME, NOW)
    assert inbound is not None
    assert (inbound.chat, inbound.moved_to, inbound.text) == (ChatRef("telegram", "-9"), "-1009", "")
    assert to_inbound(message(migrate_from_chat_id=-9, chat={"id": -1009, "type": "supergroup"}), ME, NOW) is None


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [
        ({"document": FILE | {"file_name": "a.pdf", "mime_type": "application/pdf"}}, "a.pdf", "application/pdf"),
        ({"animation": FILE, "document": FILE}, "animation.mp4", "video/mp4"),
        ({"photo": [FILE | {"file_id": "small"}, FILE]}, "photo.jpg", "image/jpeg"),
        ({"voice": FILE | {"mime_type": "audio/ogg"}}, "voice.ogg", "audio/ogg"),
        ({"sticker": FILE}, "sticker.webp", "image/webp"),
    ],
)
def test_a_file_is_described(content: dict[str, Any], name: str, media_type: str) -> None:
    inbound = to_inbound(message(**content, caption="siehe da"), ME, NOW)
    assert inbound is not None
    [attachment] = inbound.attachments
    assert (attachment.name, attachment.media_type, attachment.size, attachment.ref) == (name, media_type, 9, "F1")
    assert inbound.text == "siehe da"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"contact": {"phone_number": "+49 30", "first_name": "Ada"}}, "Ada, +49 30"),
        ({"location": {"latitude": 52.5, "longitude": 13.4}}, "52.5, 13.4"),
    ],
)
def test_a_place_or_a_contact_is_put_into_words(content: dict[str, Any], text: str) -> None:
    inbound = to_inbound(message(**content), ME, NOW)
    assert inbound is not None
    assert inbound.text == text


@pytest.mark.parametrize(
    "content", [{"new_chat_members": []}, {"pinned_message": {}}, {"forum_topic_created": {"name": "x"}}]
)
def test_a_service_message_is_no_message(content: dict[str, Any]) -> None:
    assert to_inbound(message(**content), ME, NOW) is None


@pytest.mark.parametrize(
    ("content", "heard"),
    [
        ({"text": "/hilfe@firstline_bot", "entities": [{"type": "bot_command", "offset": 0, "length": 20}]}, True),
        ({"text": "/hilfe@other_bot", "entities": [{"type": "bot_command", "offset": 0, "length": 16}]}, False),
        ({"text": "ja", "reply_to_message": {"message_id": 2, "from": {"id": 42, "is_bot": True}}}, True),
        ({"text": "ja", "reply_to_message": {"message_id": 2, "from": {"id": 6, "is_bot": False}}}, False),
        ({"text": "ja", "reply_to_message": {"message_id": 2, "from": {"id": 42}, "forum_topic_created": {}}}, False),
        ({"text": "du?", "entities": [{"type": "text_mention", "offset": 0, "length": 2, "user": {"id": 42}}]}, True),
        ({"text": "x@firstline_bot.de"}, False),
    ],
)
def test_in_a_group_a_mention_or_a_reply_counts(content: dict[str, Any], heard: bool) -> None:
    inbound = to_inbound(message(**content, chat={"id": -100, "type": "supergroup"}), ME, NOW)
    assert (inbound is not None) is heard


def test_a_press_is_dated_by_the_clock_and_belongs_to_the_topic() -> None:
    topic = {
        "chat": {"id": -100, "type": "supergroup"},
        "message_id": 9,
        "is_topic_message": True,
        "message_thread_id": 7,
    }
    query = {"id": "q", "from": {"id": 5, "is_bot": False, "first_name": "Ada"}, "data": "yes", "message": topic}
    inbound = to_inbound({"update_id": 1, "callback_query": query}, ME, NOW)
    assert inbound is not None
    assert (inbound.chat, inbound.sent_at, inbound.action) == (ChatRef("telegram", "-100", "7"), NOW, "yes")


def test_an_action_that_telegram_would_refuse_is_refused_before(telegram: Telegram) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        telegram.adapter().render(OutboundMessage(telegram.chat, "?", (Button("Ja", "y" * 65),)))


def test_the_general_topic_is_not_addressed_by_number(telegram: Telegram) -> None:
    [part] = telegram.adapter().render(OutboundMessage(ChatRef("telegram", "-100", "1"), "Hallo"))
    assert "message_thread_id" not in str(part.payload)


async def test_a_picture_is_sent_as_a_photo_and_as_a_file_where_telegram_takes_it_for_none(telegram: Telegram) -> None:
    adapter = telegram.adapter()
    picture = await kept(telegram, "a.png", "image/png", b"\x89PNG\r\n\x1a\n...")
    await deliver(adapter, OutboundMessage(telegram.chat, "", attachments=(picture,)))
    telegram.server.long_photos = True
    await deliver(adapter, OutboundMessage(telegram.chat, "Lang", attachments=(picture,)))
    await adapter.close()
    assert [message["file"]["method"] for message in telegram.server.sent.values()] == ["sendPhoto", "sendDocument"]
    assert telegram.shared[1][0] == "Lang"


@pytest.mark.parametrize(
    ("fault", "uncertain"), [(Fault(hang=True), True), (Fault(status=503), False)], ids=["time-out", "refused"]
)
async def test_a_failed_upload_says_what_is_known(telegram: Telegram, fault: Fault, uncertain: bool) -> None:
    telegram.server.fail("sendDocument", fault)
    adapter = telegram.adapter()
    file = await kept(telegram, "a.log", "text/plain", b"log")
    with pytest.raises(DeliveryError) as caught:
        await deliver(adapter, OutboundMessage(telegram.chat, "", attachments=(file,)))
    await adapter.close()
    assert (caught.value.uncertain, caught.value.permanent) == (uncertain, False)


async def test_a_file_goes_into_the_supergroup_that_its_group_has_become(telegram: Telegram) -> None:
    telegram.server.chats.add(-200)
    telegram.server.migrated[-100] = -200
    adapter = telegram.adapter()
    file = await kept(telegram, "a.log", "text/plain", b"log")
    [part] = adapter.render(OutboundMessage(telegram.thread, "", attachments=(file,)))
    with pytest.raises(DeliveryError) as caught:
        await adapter.send(part)
    assert caught.value.moved_to == "-200"
    await deliver(adapter, OutboundMessage(ChatRef("telegram", "-200"), "", attachments=(file,)))
    await adapter.close()
    assert [chat for chat, _ in telegram.server.sent] == [-200]


async def _failure(telegram: Telegram, ref: str) -> DeliveryError:
    adapter = telegram.adapter()
    with pytest.raises(DeliveryError) as caught:
        _ = [piece async for piece in adapter.fetch(Attachment("a.log", "text/plain", 3, ref))]
    await adapter.close()
    return caught.value


async def test_what_telegram_calls_temporary_is_tried_again_and_what_is_too_big_for_it_is_given_up(
    telegram: Telegram,
) -> None:
    assert not (await _failure(telegram, "unknown")).permanent
    telegram.server.files["huge"] = bytes((20 << 20) + 1)
    assert (await _failure(telegram, "huge")).permanent


async def test_an_album_is_several_messages_each_with_its_file(telegram: Telegram, inbox: Inbox) -> None:
    async with running(telegram.adapter(), inbox.receive):
        for number in range(3):
            sizes = [
                {"file_id": f"{size}{number}", "file_unique_id": "u", "file_size": 9} for size in ("small", "large")
            ]
            post = telegram.message("", 90 + number, photo=sizes, media_group_id="album")
            del post["text"]
            await telegram.server.push(message=post | ({"caption": "So sieht es aus"} if number == 0 else {}))
        album = await inbox.has(3)
        await telegram.settled()
    assert [message.text for message in album] == ["So sieht es aus", "", ""]
    assert [file.ref for message in album for file in message.attachments] == ["large0", "large1", "large2"]
