"""The JSON Schemas that editors use: valid, and of one mind with what is loaded."""

from __future__ import annotations

from typing import get_args

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # publishes no types

from bot.catalogue.schema import MODELS, Kind, PerLanguage, Utterances, json_schema
from bot.model import LANGUAGES, Category

TOPIC = {
    "id": "logo",
    "title": {"de": "Logo", "en": "Logo"},
    "category": "in_scope.usage",
    "owner": "Helpdesk",
    "examples": {"de": ["wo ist das logo"], "en": []},
}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_schema_is_a_valid_json_schema(kind: Kind) -> None:
    Draft202012Validator.check_schema(json_schema(kind))
    assert json_schema(kind)["description"]


def test_every_kind_of_file_has_a_schema() -> None:
    assert set(MODELS) == set(get_args(Kind))


def test_every_language_has_its_place() -> None:
    assert set(PerLanguage.model_fields) == set(Utterances.model_fields) == set(LANGUAGES)


def test_every_key_of_a_topic_is_explained_to_the_editor() -> None:
    properties = json_schema("topic")["properties"]
    assert isinstance(properties, dict)
    assert all(isinstance(value, dict) and value.get("description") for value in properties.values())


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"priority": "high", "vague": True, "follow_ups": ["other"]}, True),
        ({"id": "Logo!"}, False),
        ({"exmples": {}}, False),
        ({"category": "usage"}, False),
        ({"title": {"de": "Logo"}}, False),
        ({"examples": {"de": [404], "en": []}}, False),
    ],
)
def test_an_editor_judges_a_topic_as_the_loader_does(change: dict[str, object], valid: bool) -> None:
    topic = TOPIC | change
    assert Draft202012Validator(json_schema("topic")).is_valid(topic) is valid
    if valid:
        MODELS["topic"].model_validate(topic)
    else:
        with pytest.raises(ValueError, match="validation error"):
            MODELS["topic"].model_validate(topic)


@pytest.mark.parametrize("value", ["x", None, {"de": "x", "en": "y"}])
def test_a_value_of_the_company_is_one_text_or_one_for_each_language_or_none(value: object) -> None:
    company = {"company": {"phone": value}, "products": {}, "third_party": {}}
    assert Draft202012Validator(json_schema("company")).is_valid(company)
    MODELS["company"].model_validate(company)


def test_the_agreement_needs_all_categories_in_the_editor_too() -> None:
    properties = json_schema("agreement")["properties"]
    assert isinstance(properties, dict)
    assert set(properties["categories"]["required"]) == set(Category)


def test_texts_may_nest() -> None:
    validator = Draft202012Validator(json_schema("texts"))
    assert validator.is_valid({"a": {"b": {"c": "x"}}, "d": "y"})
    assert not validator.is_valid({"a": ["x"]})
