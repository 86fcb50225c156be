"""The checker of take-overs finds each kind of violation in logs that have it, and none in logs that have only what is promised."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.chaos.checker import IN_FLIGHT, Findings, Said, Trouble, check
from tests.chaos.taken import Desk, Sent, TakeOver, check_desk, read_by_staff
from tests.loopback.journal import Arrival

BOT, STAFF = re.compile(r"k\d\d"), re.compile(r"s\d\d")
BOTH = re.compile(f"{BOT.pattern}|{STAFF.pattern}")
SAID = (
    Said("a", "k01", at=1),
    Said("a", "k02", at=5),
    Said("a", "k03", at=9),
    Said("a", "s01", by="staff", at=4),
)
CUSTOMER = (
    Arrival(2, "a", "Antwort k01."),
    Arrival(3, "a", "Kim hilft jetzt"),
    Arrival(4.5, "a", "Auskunft s01"),
    Arrival(10, "a", "Antwort k03."),
)
ROOM = (
    Arrival(2.5, "desk", "Bisher: Ada a fragt k01", thread="t1"),
    Arrival(5.5, "desk", "Ada a fragt k02", thread="t1"),
    Arrival(5.7, "desk", "", thread="t1", file="log.txt", content=b"17"),
    Arrival(8, "desk", "zurück an den Bot", thread="t1"),
)
TAKEN = (TakeOver("a", released=7, returned=8),)
FILES = (Sent("a", "log.txt", b"17"),)


def found(
    customer: tuple[Arrival, ...] = CUSTOMER,
    room: tuple[Arrival, ...] = ROOM,
    *,
    said: tuple[Said, ...] = SAID,
    taken: tuple[TakeOver, ...] = TAKEN,
    troubles: tuple[Trouble, ...] = (),
    unsure: tuple[str, ...] = (),
) -> Findings:
    desk = Desk(
        arrivals=room,
        taken=taken,
        files=FILES,
        whose=lambda text: set(re.findall(r"Ada (\w)", text)),
        words=lambda text: set(BOT.findall(text)),
        notice="hilft jetzt",
        back="zurück an den Bot",
        ours=re.compile("Ada|Notiz"),
        unsure=unsure,
    )
    read = read_by_staff(desk, said, customer, BOTH)
    return check_desk(check(said, customer, troubles, BOTH, with_people=read), desk, customer, troubles, STAFF)


def test_a_talk_that_a_person_had_and_gave_back_has_no_violation() -> None:
    findings = found()
    assert findings.violations == []
    assert findings.counts["read by staff instead"] == findings.counts["taken over"] == findings.counts["files"] == 1


@pytest.mark.parametrize("at", [3.1, 6.9])
def test_what_the_bot_says_while_a_person_has_the_word_is_found(at: float) -> None:
    [violation] = found((*CUSTOMER, Arrival(at, "a", "Antwort k02."))).talked_over
    assert "'Antwort k02.' in chat a" in violation


@pytest.mark.parametrize(
    ("trouble", "allowed"),
    [
        (Trouble(2.5, 4, stood_still=True), True),
        (Trouble(2.5, 4), False),
        (Trouble(3.5, 4, stood_still=True), False),
        (Trouble(2.5, 5, stood_still=True), False),
        (Trouble(1, 4.1 - 2 * IN_FLIGHT, stood_still=True), False),
    ],
    ids=["stood still in between", "was only killed", "stood still later", "still stands", "went on long ago"],
)
def test_only_a_process_that_stood_still_over_the_take_over_may_end_its_sentence(
    trouble: Trouble, allowed: bool
) -> None:
    late = replace(CUSTOMER[0], at=4.1)
    assert (found((*CUSTOMER, late), troubles=(trouble,)).talked_over == []) is allowed


def test_the_notice_may_come_twice_and_what_was_refused_was_not_said() -> None:
    again = replace(CUSTOMER[1], at=6)
    assert found((*CUSTOMER, again, Arrival(5, "a", "Antwort k02.", stored=False))).talked_over == []


def test_a_note_that_a_customer_can_read_is_found() -> None:
    assert found((*CUSTOMER, Arrival(5, "b", "Notiz: schwierig"))).leaked == ["'Notiz: schwierig' in chat b"]


def test_a_reply_of_staff_in_another_chat_is_lost_and_a_stray() -> None:
    findings = found((*CUSTOMER[:2], replace(CUSTOMER[2], chat="b"), CUSTOMER[3]))
    assert findings.lost == ["s01 in chat a has no reply"]
    assert findings.strays == ["s01 in chat b"]


@pytest.mark.parametrize(
    "room",
    [
        (*ROOM[:2], ROOM[3]),
        (*ROOM[:2], replace(ROOM[2], content=b"1"), ROOM[3]),
        (*ROOM[:2], replace(ROOM[2], thread="t2"), ROOM[3]),
        (*ROOM[:2], replace(ROOM[2], stored=False), ROOM[3]),
    ],
    ids=["never", "half", "in another thread", "refused"],
)
def test_a_file_that_staff_cannot_open_is_lost(room: tuple[Arrival, ...]) -> None:
    assert found(room=room).lost == ["log.txt of chat a is not there for staff"]
    shown = found(room=room, unsure=("📎 log.txt",))
    assert (shown.lost, shown.left_to_people) == ([], ["log.txt of chat a is not there for staff"])


def test_what_neither_the_bot_answers_nor_staff_read_is_lost() -> None:
    assert found(room=(ROOM[0], *ROOM[2:])).lost == ["k02 in chat a has no reply"]


def test_staff_reading_along_does_not_make_up_for_an_answer_outside_of_the_take_over() -> None:
    quoted = (*ROOM, Arrival(9.5, "desk", "Ada a fragt k03", thread="t1"))
    assert found(CUSTOMER[:3], quoted).lost == ["k03 in chat a has no reply"], "it was said after the bot had the word"
    skipped = (Arrival(2.9, "a", "Antwort k02."), *CUSTOMER[1:])
    assert found(skipped).lost == ["k01 in chat a has no reply"], "a later one was answered before the take-over"


@pytest.mark.parametrize(
    ("customer", "taken", "sentence"),
    [
        ((CUSTOMER[0], *CUSTOMER[2:]), TAKEN, "nobody in chat a read that a person has taken over"),
        (CUSTOMER, (TakeOver("a", released=7),), "staff never read that the bot has the word in chat a again"),
    ],
)
def test_a_take_over_that_nobody_is_told_of_is_lost(
    customer: tuple[Arrival, ...], taken: tuple[TakeOver, ...], sentence: str
) -> None:
    assert sentence in found(customer, taken=taken).lost


def test_two_customers_in_one_thread_are_found() -> None:
    assert found(room=(*ROOM, Arrival(6, "desk", "Ada b fragt", thread="t1"))).strays == [
        "chats a, b in one thread of staff"
    ]


def test_a_copy_in_a_thread_needs_a_doubt() -> None:
    again = replace(ROOM[1], at=6)
    assert len(found(room=(*ROOM, again)).doubled) == 1
    assert found(room=(ROOM[0], replace(ROOM[1], told=False), *ROOM[2:], again)).doubled == []
