"""What staff put right about tickets: category, priority, links, merging; and passing on, which needs a consent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.desk.staff import Desk as StaffDesk
from bot.desk.staff import TicketError
from bot.model import Category, Mode, Person, Priority, TicketState
from bot.storage.consents import ConsentRecord
from tests.fakes import START, a_message
from tests.integration.desk import Desk

KIM, MIRA = Person("kim", "Kim Berger"), Person("mira", "Mira Hahn")


async def _ticket(desk: Desk, chat: str = "c1") -> int:
    await desk.receive(a_message("Der Drucker ist kaputt", chat=chat))
    await desk.handle_all()
    return (await desk.tickets())[-1].number


async def _data(desk: Desk, number: int, kind: str) -> list[dict[str, object]]:
    async with desk.store.snapshot() as session:
        return [dict(event.data) for event in await session.events.of_ticket(number) if event.kind == kind]


async def _consent(desk: Desk, number: int, **values: object) -> None:
    async with desk.store.transaction() as session:
        ticket = await session.tickets.get(number)
        assert ticket is not None
        record = ConsentRecord(
            conversation_id=ticket.conversation_id,
            ticket=number,
            organisation=None,
            person=Person("kunde", "Kunde"),
            purpose="forward",
            product=None,
            passed_on="Excel stürzt ab",
            question="Dürfen wir?",
            answer="ja",
            condition=None,
            given=True,
            agreement="2026-11",
            at=START,
        )
        await session.consents.add(replace(record, **values))  # type: ignore[arg-type]  # each test names its fields


async def test_a_corrected_ticket_becomes_a_candidate_for_the_examples(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    ticket = await staff.correct(number, KIM, Category.TRAINING, "training")
    assert (ticket.category, ticket.topic) == (Category.TRAINING, "training")
    (candidate,) = await _data(desk, number, "example_candidate")
    assert (candidate["text"], candidate["category"], candidate["language"]) == (
        "Der Drucker ist kaputt",
        "excluded.training",
        "de",
    )
    assert candidate["was"] == {"category": "in_scope.error_report", "topic": None}


@pytest.mark.parametrize(("topic", "why"), [("no_such_topic", "no topic"), ("password_reset", "belongs to")])
async def test_a_correction_that_contradicts_the_intent_files_is_refused(
    desk: Desk, staff: StaffDesk, topic: str, why: str
) -> None:
    number = await _ticket(desk)
    with pytest.raises(TicketError, match=why):
        await staff.correct(number, KIM, Category.TRAINING, topic)
    assert await _data(desk, number, "example_candidate") == []


async def test_priority_and_progress_are_kept_with_who_changed_them(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    await staff.prioritise(number, KIM, Priority.HIGH)
    ticket = await staff.progress(number, KIM, "wird mit dem nächsten Update behoben")
    assert (ticket.priority, ticket.progress) == (Priority.HIGH, "wird mit dem nächsten Update behoben")
    assert await _data(desk, number, "ticket_prioritised") == [
        {"name": "Kim Berger", "before": "normal", "after": "high"}
    ]


async def test_a_merged_ticket_goes_on_in_the_other_and_cannot_be_taken_any_more(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    conversation_id = (await desk.tickets())[0].conversation_id
    second = await staff.open(conversation_id, KIM)
    await staff.take(second, KIM)
    merged = await staff.merge(second, KIM, number)
    assert (merged.number, merged.owner, merged.open) == (number, KIM, True)
    part = (await desk.tickets())[1]
    assert (part.state, part.merged_into) == (TicketState.CLOSED, number)
    conversation = await desk.conversation(conversation_id)
    assert (conversation.mode, conversation.ticket) == (Mode.HUMAN, number)
    for act in (staff.take, staff.reopen):
        with pytest.raises(TicketError, match="part of another ticket"):
            await act(second, KIM)


async def test_tickets_of_different_chats_are_linked_not_merged_so_that_nobody_stops_hearing(
    desk: Desk, staff: StaffDesk
) -> None:
    one, two = await _ticket(desk), await _ticket(desk, "c2")
    with pytest.raises(TicketError, match="Link them instead"):
        await staff.merge(two, KIM, one)
    assert (await staff.link(two, KIM, one)).follows == one
    with pytest.raises(TicketError, match="no ticket HD-000099"):
        await staff.link(two, KIM, 99)


async def test_what_somebody_else_has_is_not_merged_away(desk: Desk, staff: StaffDesk) -> None:
    number = await _ticket(desk)
    second = await staff.open((await desk.tickets())[0].conversation_id, KIM)
    await staff.take(number, MIRA)
    with pytest.raises(TicketError, match="is with Mira Hahn"):
        await staff.merge(second, KIM, number)


@pytest.mark.parametrize("values", [{"given": False}, {"purpose": "training"}, {"withdrawn": True}, None])
async def test_nothing_is_passed_on_without_a_consent_to_it_that_is_in_force(
    desk: Desk, staff: StaffDesk, values: dict[str, object] | None
) -> None:
    number = await _ticket(desk)
    if values is not None:
        withdrawn = values.get("withdrawn", False)
        await _consent(desk, number, **{key: value for key, value in values.items() if key != "withdrawn"})
        if withdrawn:
            async with desk.store.transaction() as session:
                await session.consents.withdraw((await desk.tickets())[0].conversation_id, "nein", START)
    before = len(await desk.letters())
    with pytest.raises(TicketError, match="no consent"):
        await staff.forward(number, KIM, "Microsoft")
    assert len(await desk.letters()) == before
    assert await _data(desk, number, "forwarded") == []


async def test_exactly_the_words_of_the_consent_are_passed_on_and_recorded_and_the_customer_is_told(
    desk: Desk, staff: StaffDesk
) -> None:
    number = await _ticket(desk)
    await _consent(desk, number, condition="nur bis 200 Euro")
    with pytest.raises(TicketError, match="nur bis 200 Euro"):
        await staff.forward(number, KIM, "Microsoft")
    passed = await staff.forward(number, KIM, "Microsoft", condition_met=True)
    assert (passed.passed_on, passed.recipient) == ("Excel stürzt ab", "Microsoft")
    (recorded,) = await _data(desk, number, "forwarded")
    assert (recorded["passed_on"], recorded["answer"], recorded["name"]) == ("Excel stürzt ab", "ja", "Kim Berger")
    await desk.deliver_all()
    assert "Microsoft" in desk.adapter.texts[-1]
