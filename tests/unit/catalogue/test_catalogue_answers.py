"""Answers with the company's data."""

from __future__ import annotations

from bot.catalogue.answers import placeholders, render_answer
from bot.catalogue.catalogue import Company

COMPANY = Company(
    values={
        "company.name": {"de": "Muster GmbH", "en": "Muster Ltd"},
        "company.hours": {"de": "Mo-Fr", "en": "Mon-Fri"},
        "company.phone": None,
    },
    products={},
    third_party={},
)


def test_placeholders_are_filled_in_the_customers_language() -> None:
    assert render_answer("Wir: {company.name}, {company.hours}", "de", COMPANY) == "Wir: Muster GmbH, Mo-Fr"
    assert render_answer("We: {company.name}, {company.hours}", "en", COMPANY) == "We: Muster Ltd, Mon-Fri"


def test_a_line_whose_value_is_not_known_is_left_out_whole() -> None:
    text = "Reach us:\n\n- Phone: {company.phone}\n- {company.name}\n- {company.hours} or {company.phone}\n\nBye"
    assert render_answer(text, "en", COMPANY) == "Reach us:\n\n- Muster Ltd\n\nBye"


def test_no_gap_is_left_where_a_paragraph_was() -> None:
    assert render_answer("a\n\n{company.phone}\n\n\nb\n\n{company.phone}\n", "de", COMPANY) == "a\n\nb"


def test_an_unknown_placeholder_is_never_shown() -> None:
    assert render_answer("a\n{company.fax}\n{customer}", "de", COMPANY) == "a"


def test_the_customers_contract_overrides_the_company() -> None:
    text = "{company.hours}\n{company.phone}"
    override = {"company.hours": "24/7", "company.phone": "112"}
    assert render_answer(text, "de", COMPANY, override) == "24/7\n112"
    assert render_answer(text, "de", COMPANY, {"company.hours": None}) == ""
    assert render_answer(text, "de", COMPANY, {"company.hours": "  "}) == ""


def test_a_value_is_not_looked_into_for_further_placeholders() -> None:
    assert render_answer("{company.name}", "de", COMPANY, {"company.name": "{company.hours}"}) == "{company.hours}"


def test_only_names_in_braces_are_placeholders() -> None:
    assert placeholders("{company.name} {name} {} {A} { b } {c d} {{e}}") == {"company.name", "name", "e"}
