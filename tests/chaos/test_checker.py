"""The checker finds each kind of violation in a log that has it, and none in a log that has only what is promised."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.chaos.checker import IN_FLIGHT, TICKET, Findings, Said, Trouble, check, copies
from tests.loopback.journal import Arrival

TOKENS = re.compile(r"k\d\d")
SAID = (Said("a", "k01"), Said("a", TICKET), Said("a", "k02"), Said("b", "k01"), Said("b", TICKET))
GOOD = (
    Arrival(1, "a", "Antwort k01."),
    Arrival(2, "b", "Antwort k01."),
    Arrival(3, "a", "Ticket HD-000001"),
    Arrival(4, "a", "Antwort k02."),
    Arrival(5, "b", "Ticket HD-000002"),
)


def found(*arrivals: Arrival, said: tuple[Said, ...] = SAID, troubles: tuple[Trouble, ...] = ()) -> Findings:
    return check(said, arrivals, troubles, TOKENS)


def test_a_log_without_fault_has_no_violation() -> None:
    findings = found(*GOOD)
    assert findings.violations == []
    assert findings.counts == {
        "messages": 5,
        "sends": 5,
        "arrived": 5,
        "in doubt": 0,
        "copies": 0,
        "read by staff instead": 0,
    }


@pytest.mark.parametrize("missing", range(5))
def test_a_message_without_its_reply_is_lost(missing: int) -> None:
    findings = found(*GOOD[:missing], *GOOD[missing + 1 :])
    assert len(findings.lost) == len(findings.violations) == 1


def test_what_was_refused_has_not_arrived() -> None:
    assert found(*GOOD[:4], replace(GOOD[4], stored=False)).lost == ["ticket in chat b has no reply"]


def test_a_reply_in_another_chat_is_none() -> None:
    findings = found(*GOOD[:3], replace(GOOD[3], chat="b"), GOOD[4])
    assert findings.lost == ["k02 in chat a has no reply"]
    assert findings.strays == ["k02 in chat b"]


def test_a_message_of_which_the_platform_was_never_told_that_it_arrived_is_not_lost() -> None:
    assert found(*GOOD, said=(*SAID, Said("b", "k03", accepted=False))).violations == []


def test_a_second_ticket_for_one_message_is_a_double_effect() -> None:
    findings = found(*GOOD, Arrival(6, "b", "Ticket HD-000003"))
    assert findings.doubled == ["1 messages in chat b opened HD-000002, HD-000003"]


def test_one_ticket_for_two_chats_is_a_double_effect() -> None:
    assert found(*GOOD[:4], replace(GOOD[4], text="Ticket HD-000001")).doubled == [
        "HD-000001 was told in chat a and in chat b"
    ]


def test_replies_in_another_order_than_the_messages_are_found() -> None:
    findings = found(GOOD[0], GOOD[1], replace(GOOD[3], at=2.5), GOOD[2], GOOD[4])
    assert findings.disordered == ["in chat a the reply to k02 came before that to ticket"]


def test_the_order_of_one_chat_says_nothing_about_another() -> None:
    assert found(*(replace(a, at=a.at - 10 * (a.chat == "b")) for a in GOOD)).violations == []


def test_a_copy_of_a_reply_whose_arrival_was_confirmed_is_a_double_effect() -> None:
    findings = found(*GOOD, replace(GOOD[0], at=9))
    assert findings.doubled == ["chat a got a copy of 'Antwort k01.' after 8.0 s"]


def test_a_copy_after_a_send_that_was_not_answered_is_allowed() -> None:
    findings = found(replace(GOOD[0], told=False), *GOOD[1:], replace(GOOD[0], at=9))
    assert findings.violations == []
    assert (findings.counts["copies"], findings.counts["in doubt"]) == (1, 1)


def test_a_third_copy_needs_a_second_doubt() -> None:
    unanswered = replace(GOOD[0], told=False)
    copies = (replace(GOOD[0], at=9), replace(GOOD[0], at=10))
    assert len(found(unanswered, *GOOD[1:], *copies).doubled) == 1


@pytest.mark.parametrize(
    ("trouble", "allowed"),
    [
        (Trouble(1 + IN_FLIGHT / 2, 1 + IN_FLIGHT / 2), True),
        (Trouble(0, 8), True),
        (Trouble(1 + 2 * IN_FLIGHT, 8), False),
        (Trouble(0, 1 - 2 * IN_FLIGHT), False),
    ],
    ids=["killed right afterwards", "stood still", "killed later", "killed before"],
)
def test_a_copy_is_allowed_only_where_somebody_was_in_trouble_when_the_first_arrived(
    trouble: Trouble, allowed: bool
) -> None:
    assert (found(*GOOD, replace(GOOD[0], at=9), troubles=(trouble,)).violations == []) is allowed


def test_what_people_were_shown_is_left_to_them_only_if_there_was_a_reason() -> None:
    without = (*GOOD[:3], GOOD[4])
    unanswered = replace(GOOD[3], stored=False, told=False)
    shown = {("a", "k02")}
    assert check(SAID, without, (), TOKENS, shown).lost == ["k02 in chat a has no reply"]
    findings = check(SAID, (*without, unanswered), (), TOKENS, shown)
    assert (findings.lost, findings.left_to_people) == ([], ["k02 in chat a has no reply"])
    assert check(SAID, (*without, unanswered), (), TOKENS).lost == ["k02 in chat a has no reply"]


def test_replies_of_staff_have_an_order_of_their_own() -> None:
    staff = (Said("a", "k08", by="staff"), Said("a", "k09", by="staff"))
    fine = (replace(GOOD[0], at=6, text="k08"), replace(GOOD[0], at=7, text="k09"))
    assert found(*GOOD, *fine, said=(*SAID, *staff)).violations == []
    swapped = (fine[0], replace(fine[1], at=0.5))
    assert found(*GOOD, *swapped, said=(*SAID, *staff)).disordered == [
        "in chat a the reply k09 came before that which is k08"
    ]


def test_what_a_person_has_read_needs_no_reply_but_what_nobody_has_read_does() -> None:
    findings = check(SAID, GOOD[:3], (), TOKENS, with_people={("a", "k02")})
    assert findings.lost == ["ticket in chat b has no reply"]
    assert findings.counts["read by staff instead"] == 1


def test_the_same_words_in_two_threads_are_no_copy_and_the_same_file_twice_is() -> None:
    file = Arrival(6, "desk", "", thread="t1", file="log.txt")
    assert copies([file, replace(file, thread="t2", at=7)], ()) == (0, [])
    assert copies([file, replace(file, at=7)], ()) == (1, ["chat desk got a copy of 'log.txt' after 1.0 s"])
