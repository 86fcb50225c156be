"""``firstline intents check``: what only training, or reading all topics side by side, can find."""

from __future__ import annotations

import json

import pytest

from tests.integration.tools.conftest import Run
from tests.integration.tools.folder import Intents


def _problems(run: Run, *arguments: str) -> list[dict[str, str]]:
    result = run("check", "--format", "json", *arguments)
    told = json.loads(result.stdout)
    assert told["ok"] == (result.exit_code == 0)
    return [problem for problem in told["problems"] if "to be filled in" not in problem["message"]]


def test_nearly_the_same_sentence_in_two_categories_is_told_with_both_places(run: Run, intents: Intents) -> None:
    intents.learn("excluded/course", de=["Fehler 500 beim Öffnen der Listen"])
    (found,) = [p for p in _problems(run) if "nearly the same" in p["message"]]
    assert {found["file"], found["message"].split(" says")[0].split("but ")[1].rpartition(":")[0]} == {
        "excluded/course.yaml",
        "in_scope/crash.yaml",
    }
    assert found["severity"] == "warning"
    assert "Fehler 500 beim Öffnen der Liste" in found["message"]
    assert found["remedy"]


def test_in_one_category_two_ways_to_write_it_are_welcome(run: Run, intents: Intents) -> None:
    intents.learn("in_scope/crash", de=["Fehler 500 beim Öffnen der Listen"])
    assert not [p for p in _problems(run) if "nearly the same" in p["message"]]


def test_a_check_that_leads_to_a_refusal_is_an_error_with_its_line_and_what_was_understood(
    run: Run, intents: Intents
) -> None:
    assert run("check", "--thorough").exit_code == 0
    intents.expect("faq/hours", de=["Wir möchten eine Schulung für Kollegen buchen"])
    result = run("check", "--thorough")
    assert result.exit_code == 1
    (found,) = [p for p in _problems(run, "--thorough") if p["severity"] == "error"]
    content = (intents.folder / "faq" / "hours.yaml").read_text(encoding="utf-8").splitlines()
    assert found["file"] == "faq/hours.yaml"
    assert "Wir möchten eine Schulung für Kollegen buchen" in content[int(found["line"]) - 1]
    assert "excluded.training" in found["message"]
    assert "is told that this is not covered" in found["message"]


def test_without_thorough_nothing_is_trained(run: Run, intents: Intents) -> None:
    intents.expect("faq/hours", de=["Wir möchten eine Schulung für Kollegen buchen"])
    assert run("check").exit_code == 0


def test_a_topic_that_takes_the_examples_of_another_is_named(run: Run, intents: Intents) -> None:
    things = ["Bericht", "Formular", "Ordner", "Seite", "Liste", "Gruppe", "Vorlage", "Notiz", "Kalender", "Filter"]
    many = {"de": [f"Wie lösche ich im Portal: {thing}" for thing in things], "en": []}
    few = {"de": [f"Wie lösche ich im Portal: {thing}" for thing in ("Bild", "Datei", "Feld", "Zeile")], "en": []}
    intents.topic("faq/delete", "in_scope.usage", many, {"de": [], "en": []})
    intents.topic("in_scope/erase", "in_scope.operation", few, {"de": [], "en": []})
    stolen = [p for p in _problems(run, "--thorough") if "would be taken for" in p["message"]]
    assert [p["file"] for p in stolen if "taken for delete (faq/delete.yaml)" in p["message"]] == [
        "in_scope/erase.yaml"
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  opened_high:", "  opened_hihg:", "The text 'ticket.opened_high' is missing, which the bot says"),
        ("{ticket}", "{tikcet}", "Nothing fills in {tikcet} in the text 'ticket."),
    ],
)
def test_a_text_that_the_bot_could_not_say_is_an_error_before_a_customer_waits_for_it(
    run: Run, intents: Intents, old: str, new: str, told: str
) -> None:
    for language in ("de", "en"):
        file = intents.folder / "texts" / f"{language}.yaml"
        before, section, rest = file.read_text(encoding="utf-8").partition("\nticket:\n")
        assert old in rest
        file.write_text(before + section + rest.replace(old, new, 1), encoding="utf-8")
    errors = [p for p in _problems(run) if p["severity"] == "error" and told in p["message"]]
    assert [p["file"] for p in errors] == ["texts/de.yaml", "texts/en.yaml"]
    assert all(int(p["line"]) > 1 and p["remedy"] for p in errors)
    assert run("try", "Hallo").exit_code == 1  # such a folder is never used
