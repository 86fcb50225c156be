"""Markdown of staff that is none, or that shows nothing, is sent as it was typed: not a word of it gets lost."""

from __future__ import annotations

import pytest

from adapters.markup import parse

FENCE = "```"


def shown(markdown: str) -> str:
    return "".join(run.text for run in parse(markdown))


@pytest.mark.parametrize("typed", [FENCE, "~~~~", "# ", "1. ", "> ", "[1]: https://nord.example", "> - "])
def test_what_shows_nothing_is_shown_as_it_was_typed(typed: str) -> None:
    assert shown(typed) == typed


def test_the_address_that_a_note_stands_for_is_not_lost() -> None:
    assert shown("Siehe [1].\n\n[1]: https://nord.example") == "Siehe [1].\n\n[1]: https://nord.example"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (f"{FENCE}Bitte neu starten\nDanke", "Bitte neu starten\nDanke"),
        (f"{FENCE}sql\nSELECT 1\n{FENCE}", "SELECT 1"),
        (f"{FENCE} sql \nSELECT 1", "SELECT 1"),
    ],
)
def test_words_behind_a_fence_are_no_language(typed: str, read: str) -> None:
    assert shown(typed) == read


@pytest.mark.parametrize("mark", ["> ", "- ", ">", "1. ", "> - "])
@pytest.mark.parametrize("depth", [1, 5, 8, 9, 10, 11, 19, 20, 21, 500])
def test_no_word_is_lost_however_deep_it_lies(mark: str, depth: int) -> None:
    assert "wichtig" in shown(mark * depth + "wichtig")
    lines = [f"{mark * n}wichtig" for n in range(1, depth + 1)]
    assert shown("\n\n".join(lines)).count("wichtig") == depth


@pytest.mark.parametrize("depth", [9, 10, 11, 40])
def test_a_list_may_be_indented_as_deep_as_one_likes(depth: int) -> None:
    lines = [f"{'  ' * n}- punkt" for n in range(depth)]
    assert shown("\n".join(lines)).count("punkt") == depth
