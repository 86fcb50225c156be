"""What has been accepted is stored once, in order, whole; only then does the platform hear of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from bot.desk.lanes import HANDLE
from bot.desk.receive import Receiver
from bot.errors import DatabaseError
from bot.files.names import harmless, one_line
from bot.model import Attachment, ChatRef, InboundMessage
from bot.storage import tables
from bot.storage.store import Store
from tests.conftest import TestDatabase
from tests.fakes import FakeClock, WakeLog, a_message
from tests.integration.desk import BURST, Desk, busy_for

ODD_TEXTS = {
    "empty": "",
    "nul": "vor\x00nach",
    "lone surrogate": "vor\ud83dnach",
    "emoji": "👩‍💻 läuft nicht 🇩🇪",
    "right to left": "مرحبا \u202e abc",
    "every line break": "a\r\nb\u2028c\x85d\x0be",
    "markup": "<script>'; DROP TABLE inbox; -- {ticket} \\u0000",
    "100,000 characters": "ä€😀x" * 25_000,
}


async def _stored(store: Store, conversation_id: str) -> list[InboundMessage]:
    async with store.snapshot() as session:
        (waiting,) = await session.ask(session.inbox.opened(conversation_id))
    return [received.message for received in waiting]


async def test_a_message_is_stored_and_its_conversation_woken(desk: Desk) -> None:
    await desk.receive(a_message("Hallo"))
    (row,) = await desk.inbox()
    assert (row.text, row.state, row.seq) == ("Hallo", "new", 1)
    assert desk.engine.woken == [(HANDLE, row.conversation_id)]


async def test_nobody_looks_at_a_message_before_its_burst_can_be_over_but_at_a_button_and_at_staff_at_once(
    store: Store,
) -> None:
    engine = WakeLog()
    receive = Receiver(store, engine, FakeClock(), burst=BURST, for_staff=lambda chat: chat.chat_id == "staff")
    await receive(a_message("Guten Tag"))
    await receive(a_message("Ja", action="yes"))
    await receive(a_message("Ich übernehme", chat="staff"))
    assert engine.delays == [BURST, timedelta(), timedelta()]


async def test_a_message_that_comes_again_is_a_quiet_success_and_wakes_nobody(desk: Desk) -> None:
    message = a_message()
    await desk.receive(message)
    await desk.receive(replace(message, delivery_id="again", text="another text under the same identity"))
    assert [row.text for row in await desk.inbox()] == [message.text]
    assert len(desk.engine.woken) == 1


async def test_twenty_deliveries_of_one_message_at_once_give_one_row(desk: Desk, database: TestDatabase) -> None:
    message = a_message("Hallo")
    others = [Receiver(database.store(), desk.engine, desk.clock) for _ in range(2)]
    receivers = [desk.receive, *others]
    await asyncio.gather(*(receivers[n % 3](replace(message, delivery_id=f"d{n}")) for n in range(20)))
    assert [row.text for row in await desk.inbox()] == ["Hallo"]
    assert len(desk.engine.woken) == 1


async def test_the_same_number_in_another_chat_or_on_another_platform_is_another_message(desk: Desk) -> None:
    await desk.receive(a_message("eins", message_id="7"))
    await desk.receive(a_message("zwei", message_id="7", chat="c2"))
    await desk.receive(a_message("drei", message_id="7", adapter="other"))
    assert [row.text for row in await desk.inbox()] == ["eins", "zwei", "drei"]
    assert len({row.conversation_id for row in await desk.inbox()}) == 3


async def test_two_messages_are_never_taken_for_one_because_their_ids_run_together(desk: Desk) -> None:
    await desk.receive(a_message("eins", chat="1:2", message_id="3"))
    await desk.receive(a_message("zwei", chat="1", message_id="2:3"))
    assert [row.text for row in await desk.inbox()] == ["eins", "zwei"]


async def test_threads_of_a_chat_are_conversations_of_their_own(desk: Desk) -> None:
    await desk.receive(a_message("eins"))
    await desk.receive(a_message("zwei", thread="t1"))
    await desk.receive(a_message("drei", thread="t1"))
    first, second, third = await desk.inbox()
    assert first.conversation_id != second.conversation_id == third.conversation_id
    assert (await desk.conversation(third.conversation_id)).chat == ChatRef("fake", "c1", "t1")
    assert (await desk.conversation(first.conversation_id)).chat == ChatRef("fake", "c1", None)


async def test_many_messages_at_once_each_get_a_place_in_their_conversation(desk: Desk, database: TestDatabase) -> None:
    other = Receiver(database.store(), desk.engine, desk.clock)
    messages = [a_message(f"{n}", chat=f"c{n % 3}") for n in range(60)]
    await asyncio.gather(*((desk.receive, other)[n % 2](message) for n, message in enumerate(messages)))
    rows = await desk.inbox()
    assert sorted(row.text for row in rows) == sorted(message.text for message in messages)
    places: dict[str, list[int]] = {}
    for row in rows:
        places.setdefault(row.conversation_id, []).append(row.seq)
    assert [sorted(seqs) for seqs in places.values()] == [list(range(1, 21))] * 3


async def test_a_reader_never_sees_a_later_message_before_an_earlier_one(desk: Desk, database: TestDatabase) -> None:
    """Numbers that are given out before the commit would appear out of order; ours are taken under the row's lock."""
    await desk.receive(a_message("erste"))
    other, reader, done = Receiver(database.store(), desk.engine, desk.clock), database.store(), asyncio.Event()
    seen: list[int] = []

    async def watch() -> None:
        while True:
            last_look = done.is_set()
            async with reader.snapshot() as session:
                rows = await session.connection.execute(select(tables.inbox.c.seq))
                found = set(rows.scalars())
            new = sorted(found - set(seen))
            assert not seen or not new or new[0] > max(seen), "a message appeared before one that was already there"
            seen.extend(new)
            if last_look:
                return

    async def send() -> None:
        await asyncio.gather(*((desk.receive, other)[n % 2](a_message(f"{n}")) for n in range(40)))
        done.set()

    await asyncio.gather(watch(), send())
    assert sorted(seen) == list(range(1, 42))


@pytest.mark.parametrize("kind", ODD_TEXTS)
async def test_whatever_a_customer_writes_is_kept(desk: Desk, kind: str) -> None:
    """Two things cannot be kept in UTF-8 and PostgreSQL; a sign in their place shows where they were. Names are kept as names."""
    text = ODD_TEXTS[kind]
    message = replace(
        a_message(text),
        sender=replace(a_message().sender, name=f"Name {text[:50]}"),
        attachments=(Attachment(f"{text[:50]}.pdf", "application/pdf", 2**40, "ref"),),
    )
    await desk.receive(message)
    (row,) = await desk.inbox()
    (stored,) = await _stored(desk.store, row.conversation_id)
    expected = text.replace("\x00", "␀").replace("\ud83d", "�") if kind in ("nul", "lone surrogate") else text
    assert stored.text == expected
    assert stored.sender.name == one_line(f"Name {text[:50]}")
    assert stored.attachments[0].name == harmless(f"{text[:50]}.pdf", "application/pdf")
    assert (stored.chat, stored.sent_at) == (message.chat, message.sent_at)
    assert stored.attachments[0].size == 2**40


async def test_odd_characters_in_a_platforms_ids_do_not_make_a_message_new_each_time(desk: Desk) -> None:
    message = a_message("Hallo", chat="c\x00\ud800", thread="t\x00", message_id="m\x00\udfff")
    await desk.receive(message)
    await desk.receive(message)
    assert len(await desk.inbox()) == 1


async def test_a_message_that_could_not_be_stored_is_not_acknowledged_and_wakes_nobody(store: Store) -> None:
    engine = WakeLog()
    receive = Receiver(store, engine, lambda: datetime(2026, 3, 2))  # noqa: DTZ001  (a fault on purpose: no time zone)
    with pytest.raises(DatabaseError):
        await receive(a_message())
    assert engine.woken == []
    async with store.snapshot() as session:
        assert await session.inbox.count("new") == 0


async def test_an_intake_that_is_stopped_midway_leaves_all_or_nothing_and_goes_on(store: Store) -> None:
    """A platform's connection breaks, a process is asked to stop: the accept under way is cancelled, at any point."""
    engine = WakeLog()
    receive = Receiver(store, engine, FakeClock())
    await receive(a_message("davor"))
    for tenths in range(60):
        message = a_message("mittendrin")
        task = asyncio.create_task(receive(message))
        await busy_for(tenths / 10_000)
        task.cancel()
        (cut_off,) = await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(3):
            await receive(message)
        async with store.snapshot() as session:
            assert await session.inbox.count("new") == tenths + 2, f"after {tenths / 10} ms: {cut_off!r}"


async def test_what_is_overheard_is_a_message_only_where_somebody_has_spoken_to_the_bot(desk: Desk) -> None:
    aside = replace(a_message("Geht bei mir auch nicht", thread="t1"), overheard=True)
    await desk.receive(aside)
    assert await desk.inbox() == []
    await desk.receive(a_message("Der Export ist kaputt", thread="t1"))
    await desk.receive(aside)
    await desk.receive(replace(a_message("unter uns", thread="t2"), overheard=True))
    assert [row.text for row in await desk.inbox()] == ["Der Export ist kaputt", "Geht bei mir auch nicht"]
