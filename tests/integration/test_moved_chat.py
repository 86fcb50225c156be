"""A group gets another number: its conversation, its ticket and what was still to be said go on there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.errors import DeliveryError
from bot.model import ChatRef, InboundMessage, Mode
from tests.fakes import a_message
from tests.integration.desk import Desk

OLD, NEW = ChatRef("fake", "-9"), ChatRef("fake", "-1009")


def moved() -> InboundMessage:
    return replace(a_message("", chat="-9"), moved_to="-1009")


async def test_the_conversation_goes_on_with_its_ticket_and_whoever_has_the_word(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("Der Drucker ist kaputt", chat="-9"))
    await desk.handle_all()
    await desk.deliver_all()
    await desk.set_mode(conversation_id, Mode.HUMAN)
    for _ in range(2):
        await desk.receive(moved())
    assert await desk.conversation_of(a_message("Noch da?", chat="-1009")) == conversation_id
    await desk.handle_all()
    await desk.deliver_all()
    conversation = await desk.conversation(conversation_id)
    assert (conversation.chat, conversation.ticket, conversation.mode) == (NEW, 1, Mode.HUMAN)
    assert {chat for chat, _ in desk.adapter.sent} == {"-9"}, "the bot keeps silent in the new chat as in the old"
    assert [event.kind for event in await desk.events(conversation_id)].count("chat_moved") == 1
    assert {row.state for row in await desk.inbox()} == {"handled"}, "nobody has said anything by moving"


async def test_what_was_not_sent_yet_is_sent_in_order_into_the_new_chat(desk: Desk) -> None:
    await desk.post("1", "2", chat="-9")
    await desk.receive(moved())
    await desk.post("3", chat="-1009")
    await desk.deliver_all()
    assert desk.adapter.sent == [("-1009", "1"), ("-1009", "2"), ("-1009", "3")]


async def test_a_platform_that_refuses_because_the_chat_has_moved_is_followed(desk: Desk) -> None:
    desk.adapter.behaviour.append(DeliveryError("migrated", moved_to="-1009"))
    conversation_id = await desk.post("1", "2", chat="-9")
    await desk.deliver_all()
    assert desk.adapter.sent == [("-1009", "1"), ("-1009", "2")]
    assert await desk.uncertain_sends() == 0
    assert (await desk.conversation(conversation_id)).chat == NEW


async def test_what_is_being_decided_while_the_chat_moves_is_decided_anew_for_the_new_one(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("Der Drucker ist kaputt", chat="-9"))
    before = await desk.conversation(conversation_id)
    await desk.receive(moved())
    assert (await desk.conversation(conversation_id)).version > before.version
    await desk.handle_all()
    await desk.deliver_all()
    assert [chat for chat, _ in desk.adapter.sent] == ["-1009"]


async def test_what_was_written_in_the_new_chat_before_it_was_known_joins_the_conversation(desk: Desk) -> None:
    conversation_id = await desk.conversation_of(a_message("Der Drucker ist kaputt", chat="-9"))
    await desk.handle_all()
    await desk.receive(a_message("Und der Scanner auch", chat="-1009"))
    await desk.receive(a_message("Seit heute", chat="-1009"))
    await desk.receive(moved())
    await desk.handle_all()
    await desk.deliver_all()
    rows = await desk.inbox()
    assert [(row.conversation_id, row.state) for row in rows] == [(conversation_id, "handled")] * 3
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})
    assert len(await desk.tickets()) == 1
    assert {chat for chat, _ in desk.adapter.sent} == {"-1009"}


async def test_a_move_of_a_chat_that_nobody_knows_is_nothing(desk: Desk) -> None:
    await desk.receive(moved())
    assert await desk.inbox() == []


@pytest.mark.parametrize(("unreachable", "kind"), [(True, "unreachable"), (False, "send_failed")])
async def test_whoever_does_not_want_to_hear_from_the_bot_any_more_is_marked(
    desk: Desk, unreachable: bool, kind: str
) -> None:
    desk.adapter.behaviour.append(DeliveryError("Forbidden", permanent=True, unreachable=unreachable))
    conversation_id = await desk.post("1")
    await desk.deliver_all()
    assert [event.kind for event in await desk.events(conversation_id)] == [kind]
    assert [letter.state for letter in await desk.letters()] == ["dead"]
