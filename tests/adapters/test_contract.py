"""What every chat adapter must do, run on each of them against its loopback server."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import re
from datetime import timedelta

import pytest

from bot.errors import DeliveryError, FileGoneError, SettingsError
from bot.files.names import harmless
from bot.model import Attachment, Button, OutboundMessage, Part
from tests.adapters.platforms import Inbox, Platform, deliver, kept, running, until
from tests.loopback.faults import Fault

# --- in ---------------------------------------------------------------------------------------------


async def test_a_message_arrives_with_its_identity(platform: Platform, inbox: Inbox) -> None:
    async with running(platform.adapter(), inbox.receive):
        expected = await platform.say("Der Drucker druckt nicht & <raucht>")
        [message] = await inbox.has(1)
        await platform.settled()
    assert (message.chat, message.message_id) == (platform.chat, expected)
    assert message.sender.id
    assert message.delivery_id
    assert message.sent_at.tzinfo is not None
    assert message.text == "Der Drucker druckt nicht & <raucht>"
    assert (message.action, message.edit_of, message.reply_to) == (None, None, None)


async def test_the_same_message_in_another_delivery_has_the_same_identity(platform: Platform, inbox: Inbox) -> None:
    async with running(platform.adapter(), inbox.receive):
        first = await platform.say("Hallo")
        for _ in range(10):
            await platform.say_again(first, "Hallo")
        await inbox.has(11)
        await platform.settled()
    assert len(inbox.kept) == 1
    assert len({message.delivery_id for message in inbox.arrived}) == 11


async def test_nothing_is_confirmed_before_receive_returned(platform: Platform, inbox: Inbox) -> None:
    inbox.gate.clear()
    async with running(platform.adapter(), inbox.receive):
        await platform.say("Hallo")
        await until(lambda: bool(inbox.tried))
        await asyncio.sleep(0.05)
        assert platform.confirmed == 0
        inbox.gate.set()
        await platform.settled()
        assert platform.confirmed == 1


async def test_what_could_not_be_received_comes_again(platform: Platform, inbox: Inbox) -> None:
    inbox.fail = 2
    async with running(platform.adapter(), inbox.receive):
        await platform.say("Hallo")
        [message] = await inbox.has(1)
        await platform.settled()
    assert [tried.message_id for tried in inbox.tried] == [message.message_id] * 3


async def test_messages_arrive_in_order_however_long_each_takes(platform: Platform, inbox: Inbox) -> None:
    dice = random.Random(1)
    inbox.delays = iter([dice.choice([0, 0.004]) for _ in range(100)])
    async with running(platform.adapter(), inbox.receive):
        for number in range(25):
            await platform.say(str(number))
        await inbox.has(25)
        await platform.settled()
    assert [message.text for message in inbox.kept.values()] == [str(number) for number in range(25)]


async def test_each_edit_is_a_message_of_its_own(platform: Platform, inbox: Inbox) -> None:
    async with running(platform.adapter(), inbox.receive):
        first = await platform.say("Hallo")
        await inbox.has(1)
        await platform.edit(first, "Hallo!", 1)
        await platform.edit(first, "Hallo!!", 2)
        await platform.edit(first, "Hallo!!", 2)
        await inbox.has(4)
        await platform.settled()
    assert [(m.text, m.edit_of) for m in inbox.kept.values()] == [
        ("Hallo", None),
        ("Hallo!", first),
        ("Hallo!!", first),
    ]


async def test_each_press_of_a_button_is_a_message_of_its_own(platform: Platform, inbox: Inbox) -> None:
    async with running(platform.adapter(), inbox.receive):
        for action in ("ticket.open", "ticket.open", "consent:no"):
            await platform.press(
                "500" if platform.chat.adapter == "telegram" else "1700000000.000500", "Ticket öffnen", action
            )
        await inbox.has(3)
        await platform.settled()
    assert len(inbox.kept) == 3
    assert [m.action for m in inbox.arrived] == ["ticket.open", "ticket.open", "consent:no"]
    assert all(m.chat == platform.chat and m.text == "Ticket öffnen" and m.reply_to for m in inbox.arrived)


async def test_in_a_group_only_what_is_meant_for_the_bot_arrives(platform: Platform, inbox: Inbox) -> None:
    async with running(platform.adapter(), inbox.receive):
        await platform.say_in_group("unter uns", mention=False)
        await platform.say_in_group("hilfst du?", mention=True)
        await platform.say_as_bot("ich bin auch einer")
        await platform.say("Ende")
        await until(lambda: any(m.text == "Ende" for m in inbox.arrived))
        await platform.settled()
    assert [m.text for m in inbox.kept.values()] == ["😀 hilfst du?", "Ende"]


async def test_a_reply_goes_to_the_thread_that_the_message_came_from(platform: Platform, inbox: Inbox) -> None:
    adapter = platform.adapter()
    async with running(adapter, inbox.receive):
        await platform.say_in_thread("hier")
        [message] = await inbox.has(1)
        assert (message.chat, message.text, message.reply_to) == (platform.thread, "hier", None)
        await deliver(adapter, OutboundMessage(message.chat, "Ja", reply_to=message.message_id))
        assert platform.last_thread() == platform.thread.thread_id


async def test_what_cannot_be_read_is_skipped_and_blocks_nothing(
    platform: Platform, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(platform.adapter(), inbox.receive):
        await platform.say("vorher")
        broken = await platform.malformed()
        await platform.say("nachher")
        await inbox.has(2)
        await platform.settled()
    assert [m.text for m in inbox.arrived] == ["vorher", "nachher"]
    assert platform.confirmed == broken + 2
    assert sum("was skipped" in record.message for record in caplog.records) >= 5


async def test_a_cancelled_adapter_loses_nothing(platform: Platform, inbox: Inbox) -> None:
    stuck = Inbox()
    stuck.gate.clear()
    async with running(platform.adapter(), stuck.receive):
        await platform.say("eins")
        await platform.say("zwei")
        await until(lambda: bool(stuck.tried))
        # Slack's intake finishes what it has begun, Telegram's is cut off; neither may confirm without a commit.
        asyncio.get_running_loop().call_later(0.1, stuck.gate.set)
    async with running(platform.adapter(), inbox.receive):
        await platform.say("drei")
        await until(lambda: {m.text for m in [*stuck.arrived, *inbox.arrived]} == {"eins", "zwei", "drei"})
        await platform.settled()


async def test_the_adapter_waits_for_a_platform_that_is_down(platform: Platform, inbox: Inbox) -> None:
    platform.fail_starting(Fault(status=503))
    platform.fail_starting(Fault(drop=True))
    platform.fail_starting(Fault(hang=True))
    async with running(platform.adapter(), inbox.receive):
        await platform.say("Hallo")
        await inbox.has(1)
        await platform.settled()


async def test_a_wrong_token_is_a_wrong_setting(platform: Platform, inbox: Inbox) -> None:
    adapter = platform.adapter(token="1:wrong")
    with pytest.raises(SettingsError, match="token") as caught:
        await adapter.run(inbox.receive)
    await adapter.close()
    assert "wrong" not in str(caught.value)


async def test_no_token_is_ever_logged_and_no_text_at_info(
    platform: Platform, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    adapter = platform.adapter()
    inbox.fail = 1
    platform.fail_starting(Fault(status=500))
    async with running(adapter, inbox.receive):
        await platform.say("geheim")
        await inbox.has(1)
        await deliver(adapter, OutboundMessage(platform.chat, "geheim"))
    records = [record for record in caplog.records if record.name != "aiohttp.access"]  # the loopback server's own
    said = "\n".join(record.getMessage() for record in records)
    assert not [token for token in platform.tokens if token in said]
    assert not [record for record in records if record.levelno >= logging.INFO and "geheim" in record.getMessage()]


# --- out ----------------------------------------------------------------------------------------------


async def test_long_texts_are_split_where_people_would(platform: Platform) -> None:
    adapter = platform.adapter()
    sentence = "Wort & Wörter sind **viel**, 😀 sagt [einer](https://example.org/?a=1&b=2). "
    text = "\n\n".join(f"Absatz {number}: " + sentence * 6 for number in range(60))
    message = OutboundMessage(platform.chat, text, (Button("Ja", "yes"), Button("Nein", "no")))
    ids = await deliver(adapter, message)
    await adapter.close()
    assert len(platform.sent) == len(set(ids)) > 3
    assert re.findall(r"Absatz (\d+)", " ".join(platform.sent)) == [str(number) for number in range(60)]
    assert sum(piece.count("Wörter") for piece in platform.sent) == 360
    assert all(re.search(r"\.$", piece) for piece in platform.sent)
    assert platform.buttons() == [[]] * (len(platform.sent) - 1) + [["Ja", "Nein"]]


async def test_a_text_without_any_break_is_cut_all_the_same(platform: Platform) -> None:
    adapter = platform.adapter()
    await deliver(adapter, OutboundMessage(platform.chat, "<😀&" * 4000))
    await adapter.close()
    assert "".join(platform.sent) == "<😀&" * 4000


@pytest.mark.parametrize(
    "text", ["a < b && c > d", "<!channel> <@U1> <b>fett</b>", "&lt;b&amp;gt;", "`x<y`", "\\*kein\\* Fett"]
)
async def test_what_looks_like_markup_is_shown_as_it_is(platform: Platform, text: str) -> None:
    adapter = platform.adapter()
    await deliver(adapter, OutboundMessage(platform.chat, text))
    await adapter.close()
    [shown] = platform.sent
    expected = {"&lt;b&amp;gt;": "<b&gt;", "`x<y`": "x<y", "\\*kein\\* Fett": "*kein* Fett"}.get(text, text)
    assert shown.replace("`", "") == expected


async def test_an_empty_text_is_still_one_part_that_the_platform_takes(platform: Platform) -> None:
    adapter = platform.adapter()
    await deliver(adapter, OutboundMessage(platform.chat, " \n", (Button("Weiter", "go"),)))
    await adapter.close()
    assert platform.buttons() == [["Weiter"]]


async def test_a_sent_message_can_be_edited_and_editing_twice_alike_is_no_failure(platform: Platform) -> None:
    adapter = platform.adapter()
    [first] = await deliver(adapter, OutboundMessage(platform.chat, "alt"))
    for _ in range(2):
        assert await deliver(adapter, OutboundMessage(platform.chat, "neu", edit_of=first)) == [first]
    await adapter.close()
    assert platform.sent == ["neu"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=429, retry_after=7), (False, timedelta(seconds=7), False)),
        (Fault(status=429), (False, timedelta(seconds=5), False)),
        (Fault(status=503), (False, None, False)),
        (Fault(status=502, html=True), (False, None, True)),
        (Fault(hang=True), (False, None, True)),
        (Fault(drop=True), (False, None, True)),
    ],
    ids=["flood", "flood-without-a-time", "refused", "gateway", "time-out", "broken-off"],
)
async def test_a_failed_send_says_what_is_known(
    platform: Platform, fault: Fault, expected: tuple[bool, timedelta | None, bool]
) -> None:
    adapter = platform.adapter()
    platform.fail_sending(fault)
    with pytest.raises(DeliveryError) as caught:
        await deliver(adapter, OutboundMessage(platform.chat, "Hallo"))
    await adapter.close()
    assert (caught.value.permanent, caught.value.retry_after, caught.value.uncertain) == expected
    assert platform.send_calls == 1, "whether to try again is the outbox's to decide"


async def test_an_unknown_chat_is_a_permanent_failure(platform: Platform) -> None:
    adapter = platform.adapter()
    with pytest.raises(DeliveryError) as caught:
        await deliver(adapter, OutboundMessage(platform.unknown, "Hallo"))
    await adapter.close()
    assert (caught.value.permanent, caught.value.uncertain) == (True, False)


async def test_a_wrong_token_keeps_the_message_for_later(platform: Platform) -> None:
    adapter = platform.adapter(token="1:wrong")
    with pytest.raises(DeliveryError) as caught:
        await deliver(adapter, OutboundMessage(platform.chat, "Hallo"))
    await adapter.close()
    assert (caught.value.permanent, caught.value.uncertain) == (False, False)


async def test_what_never_left_is_certain_to_be_tried_again(platform: Platform, unused_tcp_port: int) -> None:
    adapter = platform.adapter(url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(DeliveryError) as caught:
        await deliver(adapter, OutboundMessage(platform.chat, "Hallo"))
    await adapter.close()
    assert (caught.value.permanent, caught.value.retry_after, caught.value.uncertain) == (False, None, False)


async def test_a_part_of_another_adapter_is_refused_for_good(platform: Platform) -> None:
    adapter = platform.adapter()
    with pytest.raises(DeliveryError) as caught:
        await adapter.send(Part(platform.chat, {"lines": ["Hallo"]}))
    await adapter.close()
    assert caught.value.permanent


async def test_sending_works_while_messages_arrive(platform: Platform, inbox: Inbox) -> None:
    adapter = platform.adapter()
    async with running(adapter, inbox.receive):
        for number in range(5):
            await platform.say(str(number))
            await inbox.has(number + 1)
            await deliver(adapter, OutboundMessage(platform.chat, f"Antwort {number}"))
        await platform.settled()
    assert platform.sent == [f"Antwort {number}" for number in range(5)]
    assert list(itertools.chain(*platform.buttons())) == []


# --- files ------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


async def _sent_file(platform: Platform, inbox: Inbox, content: bytes, name: str = "Fehler ä.log") -> Attachment:
    """What the adapter tells of a file that a customer has sent."""
    async with running(platform.adapter(), inbox.receive):
        await platform.say_with_file("Siehe Anhang", name, "text/plain", content)
        [message] = await inbox.has(1)
        await platform.settled()
    assert message.text == "Siehe Anhang"
    [attachment] = message.attachments
    return attachment


async def _fetched(platform: Platform, attachment: Attachment) -> bytes:
    adapter = platform.adapter()
    try:
        return b"".join([piece async for piece in adapter.fetch(attachment)])
    finally:
        await adapter.close()


async def test_a_file_arrives_described_and_is_fetched_on_its_own(platform: Platform, inbox: Inbox) -> None:
    content = random.Random(1).randbytes(300_000)
    attachment = await _sent_file(platform, inbox, content)
    assert (attachment.name, attachment.media_type, attachment.size) == ("Fehler ä.log", "text/plain", 300_000)
    assert await _fetched(platform, attachment) == content


@pytest.mark.parametrize(
    "fault",
    [Fault(status=503), Fault(status=429), Fault(cut=True)],
    ids=["503", "429", "cut"],
)
async def test_a_download_that_fails_is_tried_again_and_never_half_taken(
    platform: Platform, inbox: Inbox, fault: Fault
) -> None:
    attachment = await _sent_file(platform, inbox, bytes(200_000))
    platform.fail_fetching(fault)
    with pytest.raises(DeliveryError) as caught:
        await _fetched(platform, attachment)
    assert not caught.value.permanent
    assert not [token for token in platform.tokens if token in str(caught.value)]
    assert await _fetched(platform, attachment) == bytes(200_000)


async def test_files_are_sent_in_order_with_the_text_as_the_caption_of_the_first(platform: Platform) -> None:
    adapter = platform.adapter()
    files = (
        await kept(platform, 'Bild ä"1".png', "image/png", PNG),
        await kept(platform, "anleitung.pdf", "application/pdf", b"%PDF-1.7 ..."),
    )
    ids = await deliver(adapter, OutboundMessage(platform.thread, "So **geht** es & <nicht> anders", attachments=files))
    await adapter.close()
    assert len(set(ids)) == 2
    [(caption, first, content), (nothing, second, other)] = platform.shared
    assert caption.replace("*", "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == (
        "So geht es & <nicht> anders"
    )
    assert (first.replace("%22", '"'), content) == ('Bild ä"1".png', PNG)
    assert (nothing, second, other) == ("", "anleitung.pdf", b"%PDF-1.7 ...")


async def test_a_long_text_comes_before_its_file_and_a_file_needs_no_text(platform: Platform) -> None:
    adapter = platform.adapter()
    file = await kept(platform, "a.log", "text/plain", b"log")
    await deliver(adapter, OutboundMessage(platform.chat, "Wort. " * 2000, attachments=(file,)))
    await deliver(adapter, OutboundMessage(platform.chat, "", attachments=(file,)))
    await adapter.close()
    shared = platform.shared
    assert " ".join(text for text, _, _ in shared).split() == ["Wort."] * 2000
    assert [name for _, name, _ in shared[-2:]] == ["a.log", "a.log"]
    assert [name for _, name, _ in shared[:-2]] == [""] * (len(shared) - 2)


async def test_buttons_are_there_whatever_is_attached(platform: Platform) -> None:
    adapter = platform.adapter()
    file = await kept(platform, "a.log", "text/plain", b"log")
    await deliver(adapter, OutboundMessage(platform.chat, "Hilft das?", (Button("Ja", "yes"),), attachments=(file,)))
    await adapter.close()
    assert [button for row in platform.buttons() for button in row] == ["Ja"]
    assert {name for _, name, _ in platform.shared} >= {"a.log"}


async def test_a_file_that_is_gone_is_not_half_sent(platform: Platform) -> None:
    adapter = platform.adapter()
    file = await kept(platform, "a.log", "text/plain", b"log")
    await platform.files.remove(file.key)
    with pytest.raises(FileGoneError):
        await deliver(adapter, OutboundMessage(platform.chat, "", attachments=(file,)))
    await adapter.close()
    assert platform.shared == []


@pytest.mark.parametrize(
    "name",
    [
        "Übersicht (Kopie) [2].pdf",
        "請求書 № 7.xlsx",
        "it's, a=b, c&d+e#f.txt",
        "😀.png",
        "a" * 251 + ".log",
        "$HOME `id`.sh",
    ],
)
async def test_a_harmless_name_arrives_as_it_is(platform: Platform, name: str) -> None:
    assert harmless(name) == name
    adapter = platform.adapter()
    await deliver(
        adapter, OutboundMessage(platform.chat, "", attachments=(await kept(platform, name, "text/plain", b"x"),))
    )
    await adapter.close()
    assert [shared[1] for shared in platform.shared] == [name]
