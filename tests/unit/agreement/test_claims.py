"""Who somebody says they are, in the words that customers use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agreement.customers import Claim, Organisation, claimed

MUELLER = Organisation("1", "Müller Maschinenbau GmbH & Co. KG", "10442")
STADTWERKE = Organisation("2", "Stadtwerke Oldenburg e.V.", "K-4711")
NORD = Organisation("3", "Müller Logistik GmbH", "D-4711")
INTERSPORT = Organisation("4", "Intersport AG", "00815")
AUTO = Organisation("5", "Auto & Technik mbH", "DE-4711-B")
IT = Organisation("6", "IT eG", "7")
KNOWN = (MUELLER, STADTWERKE, NORD, INTERSPORT, AUTO, IT)


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("Hier Müller Maschinenbau GmbH, Kundennr. 10 442", MUELLER),
        ("müller maschinenbau 10442", MUELLER),
        ("MUELLER MASCHINENBAU, KDNR.10442", MUELLER),
        ("Muller Maschinenbau, Kundennummer: 10.442", MUELLER),
        ("Wir sind die Fa. Müler Maschienenbau (Kd.-Nr. 10-442) und kommen nicht mehr rein", MUELLER),
        ("Müller-Maschinenbau / 10442", MUELLER),
        ("MüllerMaschinenbau Kundennr10442", MUELLER),
        ("Fa. Müller, Kundennummer 10442", MUELLER),
        ("We are Mueller Maschinenbau, customer no. 10442, 5 users affected", MUELLER),
        ("Firma: Müller Maschinenbau\nNummer: 10442\n\nSeit heute früh geht nichts mehr.", MUELLER),
        ("10442 müller", MUELLER),
        ("Stadtwerke Oldenburg, K-4711", STADTWERKE),
        ("Stadtwerke Oldenburg K 4711", STADTWERKE),
        ("stadtwerke oldenburg k4711", STADTWERKE),
        ("Stadtwerke Oldenburg 4711", STADTWERKE),
        ("Stadtwerk Oldenburg e. V., Kundennummer 4711", STADTWERKE),
        ("Müller Logistik, Nummer D 4711", NORD),
        ("Inter Sport, 00815", INTERSPORT),
        ("Intersport 815", INTERSPORT),
        ("Auto und Technik, de 4711 b", AUTO),
        ("Auto Technik DE-4711-B", AUTO),
    ],
)
def test_name_and_number_as_people_write_them_are_understood(text: str, who: Organisation) -> None:
    assert claimed(text, KNOWN).organisation == who


@pytest.mark.parametrize(
    ("text", "name_only", "number_only"),
    [
        ("Müller Maschinenbau", True, False),
        ("Hier ist die Firma Müller Maschinenbau, unsere Nummer weiß ich nicht", True, False),
        ("Müller Maschinenbau, 10443", True, False),
        ("Müller Maschinenbau, 110442", True, False),
        ("Kundennummer 10442", False, True),
        ("Schmidt Bau, 10442", False, True),
        ("Maschinenbau Schmidt, 10442", False, True),
        ("Müller Logistik, Kundennummer 10442", True, True),
        ("Müller", False, False),
        ("HD-010442 bitte, Stand?", False, False),
        ("Seit 10 Uhr geht nichts, 442 Nutzer betroffen", False, False),
        ("geht nicht", False, False),
        ("", False, False),
    ],
)
def test_half_of_it_is_told_apart_and_names_nobody(text: str, name_only: bool, number_only: bool) -> None:
    assert claimed(text, KNOWN) == Claim(None, name_only, number_only)


def test_of_two_with_the_same_digits_the_one_whose_name_is_given_is_meant() -> None:
    assert claimed("Stadtwerke Oldenburg, 4711", KNOWN).organisation == STADTWERKE
    assert claimed("Müller Logistik, 4711", KNOWN).organisation == NORD
    twins = (Organisation("1", "Nord AG", "K-4711"), Organisation("2", "Nord SE", "D-4711"))
    assert claimed("Nord, 4711", twins).organisation is None
    assert claimed("Nord, D-4711", twins).organisation == twins[1]


def test_short_names_and_numbers_must_match_to_the_letter() -> None:
    assert claimed("it does not work since 7", KNOWN) == Claim(None, number_only=True)
    assert claimed("IT eG, Nummer 7", KNOWN).organisation == IT
    long = Organisation("1", "Meyer", "123456")
    assert claimed("Mayer 123456", [long]).organisation == long
    assert claimed("Maier 123456", [long]).organisation is None


def test_whom_nobody_knows_nobody_is() -> None:
    assert claimed("Müller Maschinenbau 10442", []) == Claim()


@given(st.text(max_size=500))
def test_no_text_is_too_wild(text: str) -> None:
    claimed(text, KNOWN)


@given(st.sampled_from(KNOWN), st.text(max_size=60), st.text(max_size=60))
def test_whole_name_and_number_are_found_in_any_company(who: Organisation, before: str, after: str) -> None:
    assert claimed(f"{before}\n{who.name}; {who.number}\n{after}", [who]).organisation == who
