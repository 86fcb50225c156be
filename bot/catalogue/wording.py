"""Pydantic's findings in words that an admin understands, each with what to do about it.

It must not know the files' content beyond the schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.catalogue.problems import Problem
from bot.catalogue.schema import IDENTIFIER, Kind, json_schema
from bot.catalogue.yaml import Document, Path

_COMPARE = "Compare with the example in intents/README.md."
_QUOTE = "Put it in double quotes."


def problems_of(document: Document, kind: Kind, found: ValidationError) -> frozenset[Problem]:
    """A set, because one text that stands for every language is wrong in each of them."""
    return frozenset(_problem(document, kind, error) for error in found.errors(include_url=False, include_context=True))


def _problem(document: Document, kind: Kind, error: ErrorDetails) -> Problem:
    path: Path = error["loc"]
    about_key = error["type"] == "extra_forbidden" or path[-1:] == ("[key]",)
    message, remedy = _missing(path) if error["type"] == "missing" else _words(kind, error)
    where = ".".join(str(step) for step in document.known(path) if isinstance(step, str))
    place = document.place(path, key=about_key)
    return document.problem(place, f"{where}: {message}" if where and not about_key else message, remedy)


def _missing(path: Path) -> tuple[str, str]:
    name = str(path[-1])
    language = {"de": "the German text", "en": "the English text"}.get(name)
    return (f"{language} is missing" if language else f"'{name}' is missing"), f"Add '{name}:' with its content."


def _words(kind: Kind, error: ErrorDetails) -> tuple[str, str]:
    value, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            name = str(error["loc"][-1])
            return f"'{name}' is not known here", _nearest(name, _keys(json_schema(kind)))
        case "enum":
            choices = [choice.strip(" '") for choice in context["expected"].replace(" or ", ", ").split(",")]
            return f"{_show(value)} is not one of the possible values", _nearest(str(value), choices)
        case "string_type":
            return _no_text(value)
        case "string_pattern_mismatch" if context["pattern"] == IDENTIFIER:
            return f"{_show(value)} is no identifier", "Use small letters a-z, digits and _ only."
        case "string_pattern_mismatch":
            return "the text is empty", "Write it, or delete this entry."
        case "string_too_long":
            return f"{_show(value)} is too long", f"Use at most {context['max_length']} characters."
        case "list_type":
            return "a list is expected here", "Put each item on a line of its own that starts with '- '."
        case "too_short":
            return "the list is empty", "Write at least one item."
        case "bool_type":
            return f"{_show(value)} is neither true nor false", "Write true or false."
        case "float_type" | "finite_number":
            return f"{_show(value)} is not a number", "Write a number, such as 3 or 0.5, without quotes."
        case "greater_than_equal":
            return f"{_show(value)} is too small", f"Use {context['ge']:g} or more."
        case "value_error":
            return str(context["error"]), "Write it like Mo-Fr 08:00-17:00 Europe/Berlin."
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{_show(value)} stands where keys and values are expected", _COMPARE
    return error["msg"], _COMPARE


def _no_text(value: object) -> tuple[str, str]:
    if value is None:
        return "there is nothing here", "Write the text, or delete this entry."
    if isinstance(value, dict):
        return (
            "a key with a value stands where a text is expected",
            'Put the text in double quotes; it contains ": " or starts with {.',
        )
    if isinstance(value, list):
        return "a list stands where one text is expected", "Keep one text; in double quotes, if it starts with [ or -."
    return f"{_show(value)} is no text", _QUOTE


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    shown = str(value)
    return repr(shown if len(shown) <= 40 else f"{shown[:37]}...") if isinstance(value, str) else shown


def _nearest(name: str, choices: list[str]) -> str:
    near = get_close_matches(name, choices, n=1) or [choice for choice in choices if choice.endswith(f".{name}")]
    return f"Did you mean '{near[0]}'?" if near else f"Use one of: {', '.join(choices)}."


def _keys(schema: object) -> list[str]:
    """Every key that this kind of file knows, wherever it belongs."""
    return list(dict.fromkeys(_walk(schema)))


def _walk(schema: object) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    if isinstance(properties, dict):
        yield from properties
    for part in schema.values():
        yield from _walk(part)
