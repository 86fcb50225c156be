"""What of a message is read: the matter, not its wrapping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.nlu.text import READ, clean, fold, read

SIGNATURE = "\n\nMit freundlichen Grüßen\nErika Muster\nMuster GmbH, Schulung und Beratung"


def test_a_signature_and_an_old_mail_below_it_are_left_out() -> None:
    said = read("Hallo zusammen,\ndie Liste bleibt seit heute leer." + SIGNATURE + "\n> Wann ist die Schulung?").text
    assert said == "die Liste bleibt seit heute leer."


@pytest.mark.parametrize(
    "message",
    [
        "FW: Meldung vom Kunden Meier\n> Der Export bricht ab",
        "Unser Kunde schreibt uns gerade das hier:\n> Der Export bricht ab",
        "Bitte kümmern Sie sich um die folgende Mail." + SIGNATURE + "\n> Der Export bricht ab",
        "Please see below, can you help?\n\nKind regards\nJane\n\nOn Monday, May 5, John Doe wrote:\n> Der Export bricht ab",
        "Ich leite Ihnen das mal weiter\nVon: Max Muster\nAn: Erika Muster\nBetreff: Problem\n\nDer Export bricht ab",
        "> Der Export bricht ab",
    ],
)
def test_a_mail_that_is_passed_on_is_read_because_it_is_the_matter(message: str) -> None:
    assert "Der Export bricht ab" in read(message).text


@pytest.mark.parametrize(
    "message",
    [
        "Das hat leider nicht geholfen.\n> Folgende Schritte helfen:\n> Der Export bricht ab",
        "Danke, jetzt klappt es wieder!\n\nAm 3. März 2026 um 09:12 schrieb Helpdesk:\nDer Export bricht ab",
        "Die Maske zeigt nichts mehr an.\nGesendet von meinem iPhone\nDer Export bricht ab",
    ],
)
def test_an_old_mail_that_is_only_answered_is_not_read(message: str) -> None:
    assert "Export" not in read(message).text


def test_stack_frames_are_left_out_and_the_error_stays() -> None:
    trace = "java.lang.NullPointerException: Wert fehlt\n\tat com.example.Export.run(Export.java:12)\n\t... 23 more\n"
    said = read("Beim Export kommt das hier\n" + trace).text
    assert "NullPointerException" in said
    assert "Export.java" not in said


def test_umlauts_may_be_written_out_and_error_codes_keep_their_letters() -> None:
    assert fold("Übergröße ändern") == fold("uebergroesse AENDERN")
    assert fold("E-2041") == fold("e-1999")
    assert fold("E-2041") != fold("F-2041")


def test_of_a_very_long_message_beginning_and_end_are_read() -> None:
    said = read("Der Export bricht ab. " + "Und dann noch etwas. " * 5000 + "Bitte rufen Sie zurück.").text
    assert said.startswith("Der Export bricht ab.")
    assert said.endswith("Bitte rufen Sie zurück.")
    assert len(said) <= READ + 2


@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing_and_reading_keeps_to_the_message(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    for piece in read(text).pieces:
        assert 0 <= piece.start <= piece.end <= len(text)
