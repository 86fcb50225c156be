"""For whom a staff member's text in a thread is. In doubt it stays with staff."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.desk.audience import Heard, Reading, heard
from bot.model import Person

KIM, MIRA = Person("kim", "Kim"), Person("mira", "Mira")


@pytest.mark.parametrize("text", ["Guten Tag", "Notieren Sie bitte die Nummer", "internal error 500 is gone", "/ nein"])
def test_the_owners_plain_text_is_a_reply(text: str) -> None:
    assert heard(text, KIM, KIM) == Heard(Reading.REPLY, text)


@pytest.mark.parametrize(
    "text",
    ["// prüfe ich", "//prüfe ich", "note: prüfe ich", "NOTE prüfe ich", "Notiz: prüfe ich", "intern: prüfe ich"],
)
def test_a_marked_text_is_a_note_whoever_writes_it(text: str) -> None:
    for owner in (KIM, MIRA, None):
        assert heard(text, KIM, owner) == Heard(Reading.NOTE, "prüfe ich")


@pytest.mark.parametrize("text", ["@Mira schaust du mal?", " @U0MIRA kannst du das?"])
def test_what_calls_a_colleague_is_not_sent_without_being_asked_about(text: str) -> None:
    assert heard(text, KIM, KIM) == Heard(Reading.ASK, text)
    assert heard(text, MIRA, KIM) == Heard(Reading.NOTE, text)


def test_a_mark_without_words_is_kept_as_it_is() -> None:
    assert heard("//", KIM, KIM) == Heard(Reading.NOTE, "//")


@given(st.text())
def test_what_somebody_else_writes_never_reaches_the_customer(text: str) -> None:
    assert heard(text, MIRA, KIM).reading is Reading.NOTE


@given(st.text())
def test_where_nobody_owns_the_ticket_nothing_is_sent_without_being_asked_about(text: str) -> None:
    assert heard(text, KIM, None).reading in (Reading.ASK, Reading.NOTE)
