"""The intents that come with Firstline, and the example in their README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.catalogue.answers import render_answer
from bot.catalogue.catalogue import Catalogue
from bot.catalogue.load import inspect, load
from bot.catalogue.problems import errors
from bot.catalogue.schema import MODELS
from bot.catalogue.yaml import parse
from bot.model import LANGUAGES, Category

SHIPPED = Path(__file__).parents[3] / "intents"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(SHIPPED)


def test_the_shipped_intents_have_no_errors() -> None:
    assert [str(problem) for problem in errors(inspect(SHIPPED)[1])] == []


def test_what_nobody_told_us_is_the_only_thing_that_check_complains_about() -> None:
    assert [str(problem) for problem in inspect(SHIPPED)[1] if "is to be filled in" not in problem.message] == []


def test_every_category_can_be_learned_in_each_language(catalogue: Catalogue) -> None:
    known = {(example.category, example.language) for example in catalogue.examples}
    assert known == {(category, language) for category in Category for language in LANGUAGES}


def test_the_clauses_that_exclusions_cite_exist(catalogue: Catalogue) -> None:
    cited = {category.partition(".")[2] for category in Category if category.excluded}
    assert {"scope"} | cited <= set(catalogue.agreement.clauses)


def test_a_wrongful_refusal_is_by_far_the_worst_error(catalogue: Catalogue) -> None:
    costs = catalogue.agreement.costs
    assert costs.wrongful_refusal >= 4 * max(
        costs.missed_exclusion, costs.wrong_answer, costs.needless_hand_off, costs.clarification, costs.ignored
    )


def test_every_answer_says_something_and_shows_no_braces(catalogue: Catalogue) -> None:
    for topic in catalogue.faqs:
        for language, answer in (topic.answer or {}).items():
            shown = render_answer(answer, language, catalogue.company)
            assert len(shown) > 100, topic.id
            assert "{" not in shown, topic.id


def test_the_example_in_the_readme_is_a_topic() -> None:
    example = re.search(r"```yaml\n(.*?)```", (SHIPPED / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    document, problems = parse("readme", example[1].encode())
    assert problems == []
    assert document is not None
    MODELS["topic"].model_validate(document.data)
