"""Turns: what is understood together, what stands alone, and what happens to a message that cannot be handled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.desk.handle import BACKOFF, MAX_ATTEMPTS
from bot.desk.lanes import DELIVER
from bot.desk.letters import LetterError
from bot.desk.turns import LONGEST_TURN
from bot.errors import ElsewhereError
from bot.model import Attachment, Mode, Priority, TicketState
from bot.storage.store import Store
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, a_message
from tests.integration.desk import BURST, Desk, a_desk

SECOND = timedelta(seconds=1)


# --- bursts -------------------------------------------------------------------------------------------


async def test_messages_in_quick_succession_are_one_turn_with_one_reply(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("Guten Tag,"))
    await desk.receive(a_message("der Drucker"))
    await desk.receive(a_message("ist kaputt"))
    await desk.handle_all()
    assert desk.classifier.batches == [["Guten Tag,\nder Drucker\nist kaputt"]]
    assert len(await desk.letters()) == 1
    (ticket,) = await desk.tickets()
    assert ticket.facts["text"] == "Guten Tag,\nder Drucker\nist kaputt"
    turn = (await desk.events(conversation_id))[-1]
    assert turn.data["messages"] == [row.id for row in await desk.inbox()]


async def test_the_bot_waits_for_the_rest_of_a_burst_but_not_forever(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("0"))
    assert await desk.work(conversation_id) == BURST
    for n in range(1, 8):
        desk.clock.advance(BURST / 2)
        await desk.receive(a_message(f"{n}"))
        assert desk.classifier.batches == []
        delay = await desk.work(conversation_id)
        assert delay is not None
        assert timedelta() < delay <= BURST
    desk.clock.advance(BURST / 2)
    assert await desk.work(conversation_id) is None
    assert len(desk.classifier.batches) == 1


async def test_a_flood_is_handled_in_turns_of_a_bounded_size_without_waiting(desk: Desk) -> None:
    for n in range(LONGEST_TURN * 2 + 5):
        await desk.receive(a_message(f"{n}"))
    conversation_id = (await desk.inbox())[0].conversation_id
    assert await desk.work(conversation_id) == timedelta()
    await desk.handle_all()
    sizes = [len(batch[0].split("\n")) for batch in desk.classifier.batches]
    assert sizes == [LONGEST_TURN, LONGEST_TURN, 5]
    assert "\n".join(batch[0] for batch in desk.classifier.batches).split("\n") == [str(n) for n in range(45)]


async def test_two_people_in_one_chat_are_answered_one_after_the_other(desk: Desk) -> None:
    await desk.receive(a_message("Hallo", sender="anna"))
    await desk.receive(a_message("Guten Tag", sender="bert"))
    await desk.receive(a_message("wie geht das?", sender="anna"))
    await desk.handle_all()
    assert desk.classifier.batches == [["Hallo"], ["Guten Tag"], ["wie geht das?"]]


async def test_a_button_stands_alone_and_is_not_waited_for(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("", action="person"))
    assert await desk.work(conversation_id) is None
    await desk.receive(a_message("Hallo"))
    await desk.receive(a_message("", action="no_thanks"))
    await desk.receive(a_message("noch etwas"))
    await desk.handle_all()
    turns = [event for event in await desk.events(conversation_id) if event.kind == "turn"]
    assert [len(turn.data["messages"]) for turn in turns] == [1, 1, 1, 1]


async def test_a_file_without_words_opens_a_ticket_that_names_it(desk: Desk) -> None:
    await desk.receive(a_message("", attachments=(Attachment("bild.png", "image/png", 10, "r1"),)))
    await desk.handle_all()
    (ticket,) = await desk.tickets()
    assert ticket.facts["attachments"] == "bild.png"


async def test_a_turn_leaves_everything_that_staff_need_to_follow_it(desk: Desk, catalogue: Catalogue) -> None:
    conversation_id = await desk.conversation_of(a_message("Der Drucker ist kaputt"))
    await desk.handle_all()
    opened, told, turn = await desk.events(conversation_id)
    (ticket,), (letter,) = await desk.tickets(), await desk.letters()
    assert (opened.kind, told.kind, turn.kind) == ("ticket_opened", "staff_alert", "turn")
    assert opened.correlation == turn.correlation == letter.correlation
    assert turn.data["catalogue"] == catalogue.version
    assert turn.ticket == ticket.number
    assert (ticket.state, ticket.subject) == (TicketState.OPEN, "Der Drucker ist kaputt")
    assert ticket.key in letter.text
    assert (await desk.conversation(conversation_id)).ticket == ticket.number
    assert (DELIVER, "fake:c1") in desk.engine.woken


async def test_a_reply_of_several_parts_keeps_their_order(store: Store, catalogue: Catalogue) -> None:
    async with a_desk(store, catalogue, adapter=FakeAdapter(paragraphs=True)) as desk:
        await desk.receive(a_message("Guten Tag"))
        await desk.receive(a_message("Der Drucker ist kaputt"))
        await desk.handle_all()
        await desk.deliver_all()
        letters = await desk.letters()
        assert desk.adapter.texts == [letter.part.payload["text"] for letter in letters]


async def test_silence_is_kept_while_a_person_has_the_word_and_nothing_is_lost(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("Guten Tag"))
    await desk.set_mode(conversation_id, Mode.HUMAN)
    await desk.handle_all()
    assert await desk.letters() == []
    (turn,) = await desk.events(conversation_id)
    assert turn.data["decisions"][0]["kind"] == "relay"


# --- what cannot be handled ---------------------------------------------------------------------------


async def test_what_cannot_be_handled_is_tried_again_after_longer_and_longer_pauses(desk: Desk) -> None:
    desk.classifier.poison.add("Gift")
    conversation_id = await desk.conversation_of(a_message("Gift"))
    desk.clock.advance(BURST)
    for attempt, pause in enumerate(BACKOFF, start=1):
        assert await desk.work(conversation_id) == pause
        assert (await desk.inbox())[0].attempts == attempt
        classified = len(desk.classifier.batches)
        desk.clock.advance(pause - SECOND / 10)
        assert await desk.work(conversation_id) == SECOND / 10
        assert len(desk.classifier.batches) == classified, "it must not be tried before its time"
        desk.clock.advance(SECOND / 10)
    assert await desk.tickets() == []


async def test_a_fault_that_passes_leaves_no_trace_for_the_customer(desk: Desk) -> None:
    desk.classifier.poison.add("Tag")
    conversation_id = await desk.conversation_of(a_message("Guten Tag"))
    desk.clock.advance(BURST)
    await desk.work(conversation_id)
    desk.classifier.poison.clear()
    await desk.handle_all()
    assert len(await desk.letters()) == 1
    assert await desk.tickets() == []


async def test_after_five_tries_a_person_gets_the_raw_text_and_the_customer_hears_of_it(
    desk: Desk, catalogue: Catalogue
) -> None:
    desk.classifier.poison.add("Gift")
    text = "Gift\x00 " + "ä" * 5000
    await desk.receive(a_message(text, attachments=(Attachment("log.txt", "text/plain", 1, "r"),)))
    await desk.handle_all()
    (row,), (ticket,), (letter,) = await desk.inbox(), await desk.tickets(), await desk.letters()
    assert (row.state, row.attempts) == ("dead", MAX_ATTEMPTS)
    assert ticket.facts == {"text": text.replace("\x00", "␀"), "attachments": "log.txt"}
    assert (ticket.reason, ticket.priority) == ("failed", Priority.HIGH)
    assert len(ticket.subject) <= 120
    assert letter.text == catalogue.texts["de"]["ticket.failed"].replace("{ticket}", ticket.key)
    conversation = await desk.conversation(row.conversation_id)
    assert (conversation.mode, conversation.ticket) == (Mode.WAITING, ticket.number)
    event, told = await desk.events(row.conversation_id)
    assert (event.kind, told.kind) == ("dead_letter", "staff_alert")
    assert "this text cannot be classified" in event.data["error"]
    (shown,) = await desk.dead.all()
    assert (shown.number, shown.ticket) == (f"in-{row.id}", ticket.key)
    assert shown.reason == "ValueError: this text cannot be classified"


async def test_the_lane_goes_on_after_a_dead_letter(desk: Desk) -> None:
    desk.classifier.poison.add("Gift")
    await desk.receive(a_message("Gift"))
    await desk.receive(a_message("Guten Tag"))
    await desk.handle_all()
    assert [row.state for row in await desk.inbox()] == ["dead", "handled"]
    assert len(await desk.letters()) == 2


async def test_in_a_burst_only_the_message_that_cannot_be_handled_goes_to_the_dead_letters(desk: Desk) -> None:
    desk.classifier.poison.add("Gift")
    for text in ("Guten Tag", "Gift", "Der Drucker ist kaputt"):
        await desk.receive(a_message(text))
    await desk.handle_all()
    assert [(row.text, row.state) for row in await desk.inbox()] == [
        ("Guten Tag", "handled"),
        ("Gift", "dead"),
        ("Der Drucker ist kaputt", "handled"),
    ]


async def test_a_dead_letter_of_a_conversation_that_a_person_has_is_not_announced_by_the_bot(desk: Desk) -> None:
    desk.classifier.poison.add("Gift")
    conversation_id = await desk.conversation_of(a_message("Gift"))
    await desk.set_mode(conversation_id, Mode.HUMAN)
    await desk.handle_all()
    assert [ticket.reason for ticket in await desk.tickets()] == ["failed"]
    assert await desk.letters() == []
    assert (await desk.conversation(conversation_id)).mode is Mode.HUMAN


async def test_a_dead_letter_that_is_put_back_is_handled_like_any_message(desk: Desk) -> None:
    desk.classifier.poison.add("Gift")
    conversation_id = await desk.conversation_of(a_message("Gift"))
    await desk.handle_all()
    desk.classifier.poison.clear()
    (row,) = await desk.inbox()
    await desk.dead.retry(f"in-{row.id}", actor="staff:kim")
    for number in (f"in-{row.id}", "in-4711"):
        with pytest.raises(LetterError, match="no dead letter"):
            await desk.dead.retry(number, actor="staff:kim")
    await desk.handle_all()
    assert [row.state for row in await desk.inbox()] == ["handled"]
    *_, retried, turn = await desk.events(conversation_id)
    assert (retried.kind, retried.actor, turn.kind) == ("letter_retried", "staff:kim", "turn")


async def test_a_dead_letter_that_fails_again_after_it_was_put_back_does_not_block_its_conversation(desk: Desk) -> None:
    desk.classifier.poison.add("Gift")
    await desk.conversation_of(a_message("Gift"))
    await desk.handle_all()
    await desk.dead.retry(f"in-{(await desk.inbox())[0].id}", actor="cli")
    await desk.receive(a_message("Guten Tag"))
    await desk.handle_all()
    assert [row.state for row in await desk.inbox()] == ["dead", "handled"]


async def test_a_reply_that_the_platform_cannot_show_still_ends_with_a_ticket(desk: Desk) -> None:
    """The fault may be in saying something, and then telling the customer about it fails just the same."""
    desk.adapter.render_fault = ValueError("this cannot be rendered")
    await desk.receive(a_message("Guten Tag"))
    await desk.handle_all()
    assert [row.state for row in await desk.inbox()] == ["dead"]
    assert [ticket.reason for ticket in await desk.tickets()] == ["failed"]


async def test_messages_of_a_platform_that_this_process_does_not_run_wait_for_one_that_does(
    database: TestDatabase, desk: Desk, catalogue: Catalogue
) -> None:
    """`firstline chat` beside a stopped `firstline run` on the same data: the sweeper finds the other's messages."""
    conversation_id = await desk.conversation_of(a_message("Guten Tag"))
    desk.clock.advance(BURST)
    async with a_desk(database.store(), catalogue, adapter=FakeAdapter("terminal"), clock=desk.clock) as terminal:
        with pytest.raises(ElsewhereError):
            await terminal.work(conversation_id)
    assert [(row.state, row.attempts) for row in await desk.inbox()] == [("new", 0)]
    await desk.handle_all()
    assert len(await desk.letters()) == 1
