"""The pure parts that decisions rest on: costs, assent, facts, hours, and who somebody says they are."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.agreement.agreement import Costs
from bot.agreement.calendar import parse_hours
from bot.agreement.customers import Organisation, claimed
from bot.dialogue.assent import assent, withdraws
from bot.dialogue.facts import facts, ticket_numbers
from bot.dialogue.judge import Course, judge
from bot.model import Category, Matter

COSTS = Costs(30, 3, 1.5, 1, 0.7, 8)


def matter(faq: float = 0.0, vague: float = 0.0, **probabilities: float) -> Matter:
    categories = tuple(sorted(((Category[k], p) for k, p in probabilities.items()), key=lambda item: -item[1]))
    return Matter(0, 1, "x", categories, (), ("faq", faq) if faq else None, vague, "statistical")


@pytest.mark.parametrize(
    ("what", "course"),
    [
        (matter(ERROR_REPORT=0.99, SMALL_TALK=0.01), Course.TICKET),
        (matter(USAGE=0.98, TRAINING=0.02, faq=0.95), Course.ANSWER),
        (matter(TRAINING=0.995, USAGE=0.005), Course.EXCLUDE),
        (matter(TRAINING=0.7, USAGE=0.3), Course.ASK_TOPIC),
        (matter(ERROR_REPORT=1.0, vague=0.9), Course.ASK_DETAILS),
        (matter(SMALL_TALK=0.97, USAGE=0.03), Course.SMALL_TALK),
        (matter(OUT_OF_DOMAIN=0.99, USAGE=0.01), Course.DECLINE),
        (matter(HUMAN_REQUEST=0.95, OPERATION=0.05), Course.HAND_OFF),
    ],
)
def test_the_cheapest_course_is_taken(what: Matter, course: Course) -> None:
    assert judge(what, COSTS).course is course


def test_nothing_is_refused_while_it_may_well_be_covered() -> None:
    for covered in range(5, 100):
        judged = judge(matter(USAGE=covered / 100, TRAINING=1 - covered / 100), COSTS)
        assert judged.course not in (Course.EXCLUDE, Course.DECLINE)


@pytest.mark.parametrize("text", ["ja", "Ja, gerne", "yes please", "einverstanden", "go ahead"])
def test_a_plain_yes_is_a_yes(text: str) -> None:
    found = assent(text)
    assert found is not None
    assert found.yes
    assert found.condition is None


@pytest.mark.parametrize(
    "text", ["nein", "Nein danke", "nicht einverstanden", "bitte keine Weitergabe", "no thanks", "please don't"]
)
def test_a_no_is_a_no(text: str) -> None:
    found = assent(text)
    assert found is not None
    assert not found.yes


@pytest.mark.parametrize("text", ["ja, was kostet das denn?", "weiß nicht", "vielleicht", "what does it cost?", ""])
def test_what_does_not_plainly_agree_is_no_consent(text: str) -> None:
    assert assent(text) is None


def test_a_condition_is_kept_in_the_customers_words() -> None:
    found = assent("Ja, aber nur bis 150 Euro, ohne meine Nummer")
    assert found is not None
    assert found.condition == "Ja, aber nur bis 150 Euro, ohne meine Nummer"
    assert withdraws("Ich ziehe meine Zustimmung zurück")
    assert withdraws("I withdraw my consent")


def test_facts_are_pieces_of_what_was_written() -> None:
    text = "Beim Speichern erscheint seit heute Morgen der Fehler E-2041 bei allen Kollegen"
    found = facts(text)
    assert found == {"error": "Fehler E-2041", "since": "seit heute Morgen", "affected": "allen Kollegen"}
    assert all(value in text for value in found.values())
    assert facts("hallo") == {}
    assert ticket_numbers("HD-000123 und hd 55120, nochmal HD-000123") == (123, 55120)


def test_hours_know_weekends_holidays_and_the_zone() -> None:
    hours = parse_hours("Mo-Do 08:00-17:00, Fr 8-15 Europe/Berlin")
    maundy_thursday = datetime.fromisoformat("2026-04-02T16:30+02:00")
    assert hours.is_open(maundy_thursday)
    after_easter = datetime.fromisoformat("2026-04-07T08:00+02:00")
    assert hours.next_opening(maundy_thursday + timedelta(hours=1)) == after_easter
    assert hours.after(maundy_thursday, timedelta(hours=2)) == after_easter + timedelta(minutes=90)


@pytest.mark.parametrize("text", ["", "immer", "Mo-Fr", "Mo-Fr 17-8", "Mo 25:00-26:00", "Mo-Fr 8-17 Europe/Nowhere"])
def test_hours_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_hours(text)


def test_name_and_number_together_name_an_organisation_and_half_of_it_does_not() -> None:
    known = Organisation("1", "Muster Maschinenbau GmbH & Co. KG", "K-4711")
    assert claimed("Wir sind die muster maschinenbau, Kundennummer 4711", [known]).organisation == known
    assert claimed("Muster Maschinenbau", [known]).organisation is None
    assert claimed("K-4711", [known]).organisation is None
    assert claimed("Andere AG 4711", [known]).organisation is None
