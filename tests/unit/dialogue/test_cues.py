"""Short remarks of people who already talk: what is plain counts, what is not stays with the classifier."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.dialogue import cues

SAID: dict[Callable[[str], bool], tuple[list[str], list[str]]] = {
    cues.not_helped: (
        [
            "hilft nicht",
            "Hat leider nicht geholfen.",
            "geht immer noch nicht",
            "super danke, aber geht nicht",
            "Hilft nicht. Beim Speichern kommt 'LIC-17'",
            "hab ich schon probiert",
            "still doesn't work",
            "that didn't help",
            "no luck",
        ],
        ["hat geholfen", "geht wieder", "danke, klappt", "works now, thanks", "Wie hilft mir das?"],
    ),
    cues.helped: (
        ["hat geholfen", "jetzt klappt es", "that worked", "works, thanks"],
        ["hat nicht geholfen", "klappt nicht", "does it work on a phone too?", "works on Monday but not on Tuesday"],
    ),
    cues.settled: (
        [
            "hat sich erledigt",
            "läuft wieder",
            "klappt wieder, danke",
            "never mind",
            "we found it ourselves, please cancel",
            "Problem gelöst, danke",
        ],
        ["geht wieder nicht", "schon wieder kaputt", "ist das Problem gelöst?", "noch nicht erledigt, es klappt nicht"],
    ),
    cues.contests: (
        ["das ist doch abgedeckt", "Das steht so in unserem Vertrag!", "but that is covered", "dafür zahlen wir"],
        ["Ist das abgedeckt?", "is that covered", "Was ist in unserem Vertrag enthalten?", "das ist defekt"],
    ),
    cues.prefers_remote: (
        ["dann lieber per Fernwartung", "a remote session would do", "TeamViewer ist ok"],
        [
            "Fernwartung geht nicht, wir haben kein Netz",
            "keine Fernwartung",
            "was ist Fernwartung?",
            "remote is not possible",
        ],
    ),
    cues.drops: (
        ["Nö lassen Sie, war nur so eine Idee", "ach vergessen Sie es", "forget it", "ist nicht so wichtig"],
        ["die Liste ist leer", "please continue", "ich brauche das dringend"],
    ),
    cues.sets_condition: (
        ["nur bis 150 Euro, ohne meine Nummer", "only up to 100 euros", "aber erst nach 14 Uhr"],
        ["was kostet das nur?", "ja, nur zu", "Die Liste ist nur leer"],
    ),
    cues.wants_person: (
        [
            "Der Export bricht ab. Bitte rufen Sie mich zurück.",
            "can somebody call me",
            "Seit heute Fehler 12, ich möchte mit einem Menschen sprechen",
            "Bitte um Rückruf",
        ],
        [
            "Der Export bricht ab",
            "Bitte keinen Anruf, ich bin im Zug",
            "Die Rückmeldung im Formular fehlt",
            "no need to call me back",
        ],
    ),
}


@pytest.mark.parametrize(("cue", "text"), [(cue, text) for cue, (yes, _) in SAID.items() for text in yes])
def test_a_plain_remark_is_heard(cue: Callable[[str], bool], text: str) -> None:
    assert cue(text)


@pytest.mark.parametrize(("cue", "text"), [(cue, text) for cue, (_, no) in SAID.items() for text in no])
def test_what_only_sounds_alike_is_not(cue: Callable[[str], bool], text: str) -> None:
    assert not cue(text)


def test_a_long_report_is_no_remark() -> None:
    report = "Es geht immer noch nicht, und zwar seit dem Update vom Montag: " + "Die Liste bleibt leer. " * 10
    assert not cues.not_helped(report)
    assert not cues.settled(report)
