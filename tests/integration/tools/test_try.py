"""``firstline intents try``: an explanation that needs no knowledge of statistics."""

from __future__ import annotations

import json

from bot.catalogue.load import load
from bot.dialogue.judge import Course
from bot.evaluation.trial import tried
from bot.model import Candidate, Category, Matter, Neighbour, Prediction
from tests.integration.tools.conftest import Run
from tests.integration.tools.folder import Intents


def test_a_question_with_an_article_is_explained_in_words(run: Run) -> None:
    result = run("try", "Wann haben Sie geöffnet?")
    assert result.exit_code == 0, result.output
    assert "The customer gets the article hours." in result.stdout
    assert "in_scope.operation: an example says the same" in result.stdout
    assert "100%  Wann haben Sie geöffnet?  (faq/hours.yaml:" in result.stdout
    assert "Language: German." in result.stdout


def test_where_it_is_close_the_runner_up_and_what_speaks_against_it_are_told(intents: Intents) -> None:
    catalogue = load(intents.folder)
    text = "Schulung oder Fehlermeldung, wir brauchen etwas"
    near = Neighbour("Fehler 500 beim Öffnen der Liste", "crash", 0.41)
    matter = Matter(
        start=0,
        end=len(text),
        text=text,
        categories=((Category.TRAINING, 0.6), (Category.ERROR_REPORT, 0.4)),
        topics=(Candidate("course", Category.TRAINING, 0.6), Candidate("crash", Category.ERROR_REPORT, 0.4)),
        faq=None,
        vague=0.0,
        source="statistical",
        nearest=(near,),
    )
    (explained,) = tried(Prediction((matter,), "de", catalogue.version), catalogue).matters
    assert explained.weighed[0].course is not Course.EXCLUDE
    told = " ".join(explained.why_not)
    assert "It could also be in_scope.error_report, but only with 40%" in told
    assert '"Fehler 500 beim Öffnen der Liste" (in_scope/crash.yaml:' in told
    assert "Why not say that this is not covered?" in told
    assert "it could be covered, and the customer would be told it is not" in told
    assert explained.certainty == "not sure (60%)"


def test_for_programs_the_same_is_json(run: Run) -> None:
    told = json.loads(run("try", "Please train our new colleagues", "--format", "json").stdout)
    (matter,) = told["matters"]
    assert (matter["category"], matter["action"]) == ("excluded.training", "exclude")
    assert matter["outcome"] == "The customer is told that this is not covered"
    exclude, ticket = matter["costs"]["exclude"], matter["costs"]["ticket"]
    assert exclude["expected"] < ticket["expected"]
    for cost in (exclude, ticket):  # the parts make up the whole
        assert abs(cost["expected"] - sum(cost["of"].values())) < 0.05
    assert matter["examples"][0]["place"].startswith("excluded/course.yaml:")
    assert told["language"] == "en"


def test_products_are_named_with_whose_they_are(run: Run) -> None:
    told = json.loads(run("try", "Der SAP Connector hat einen Fehler", "--format", "json").stdout)
    assert [p for matter in told["matters"] for p in matter["products"] if "not ours" in p]


def test_matters_are_kept_apart(run: Run, intents: Intents) -> None:
    result = run("try", "Das Portal stürzt ständig ab. Außerdem möchten wir eine Schulung buchen.")
    assert "The message holds 2 matters." in result.stdout
    assert result.stdout.index("stürzt ständig ab") < result.stdout.index("eine Schulung buchen")


def test_what_looks_like_markup_is_shown_as_it_was_written(run: Run) -> None:
    result = run(
        "try", "Beim Speichern kommt [bold]eine[/bold] Fehlermeldung [/] [link=x]. Guten Morgen, Schulung buchen [red]"
    )
    assert result.exit_code == 0, result.output


def test_a_message_without_words_is_explained_as_well(run: Run) -> None:
    for text in ("", " ", "???", "\u200b"):
        assert run("try", "--", text).exit_code == 0
