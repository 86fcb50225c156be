"""Which products a text names: spelling does not matter, but everyday words are not products."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.nlu.products import Products

PRODUCTS = Products(
    {"intrexx": ("Intrexx", "Intrex", "Intexx", "Intrexx Portal", "Portal Manager")},
    {
        "outlook": ("Outlook", "Microsoft Outlook"),
        "edge": ("Microsoft Edge", "Edge"),
        "word": ("Microsoft Word", "Word"),
        "teams": ("Microsoft Teams", "MS Teams", "Teams"),
        "zoom": ("Zoom Meeting", "Zoom"),
        "office": ("MS Office", "Office 365"),
        "windows": ("Windows", "Windows 10"),
        "fritzbox": ("FRITZ!Box",),
        "hyper_v": ("Hyper-V",),
        "sap": ("SAP", "S/4HANA"),
        "entra": ("Azure Active Directory",),
        "slack": ("Slack",),
    },
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Outlook stürzt ab", ("outlook",)),
        ("mein outlok hängt seit heute", ("outlook",)),
        ("OUTLOOK GEHT NICHT", ("outlook",)),
        ("Der Outlookkalender ist leer", ("outlook",)),
        ("outlook-kalender leer", ("outlook",)),
        ("Intrxx lässt sich nicht öffnen", ("intrexx",)),
        ("der portalmanager startet nicht", ("intrexx",)),
        ("Ist die fritz!box schuld? Oder die Fritz Box?", ("fritzbox",)),
        ("hyper v host", ("hyper_v",)),
        ("Anbindung an S/4HANA", ("sap",)),
        ("azure active directroy", ("entra",)),
        ("Aus Intrexx nach Outlook und Microsoft Word", ("intrexx", "outlook", "word")),
        ("In Microsoft Teams und in Edge", ("teams", "edge")),
        ("Word startet nicht mehr", ("word",)),
        ("unter windows 10 geht es", ("windows",)),
    ],
)
def test_a_product_is_recognised_however_it_is_written(text: str, found: tuple[str, ...]) -> None:
    assert PRODUCTS.find(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "at the edge of the list a word is cut off when two teams zoom in",
        "in other words, there is some slack",
        "Unsere Teams brauchen Zugriff",
        "ALLE TEAMS SEHEN DAS WORD NICHT",
        "spell check in text fields",
        "my office pc and my team's calendar",
        "zwei windows gehen auf",
        "hyperlinks im Terminal, siehe Stacktrace",
        "der interne Server, die Revision, der Ausblick",
        "das sapperlot und die Wortliste",
        "",
        "E-2041",
    ],
)
def test_everyday_words_are_no_products(text: str) -> None:
    assert PRODUCTS.find(text) == ()


def test_versions_are_not_confused_with_each_other() -> None:
    assert Products({}, {"old": ("Exchange 2016",), "new": ("Exchange 2019",)}).find("exchange 2018") == ()


def test_a_company_without_products_finds_none() -> None:
    assert Products({}, {"nothing": ("", "!!")}).find("Outlook !!") == ()


@given(st.text(max_size=300))
def test_no_text_is_too_wild_and_none_is_found_twice(text: str) -> None:
    found = PRODUCTS.find(text)
    assert len(set(found)) == len(found)
