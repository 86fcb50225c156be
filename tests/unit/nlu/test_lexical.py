"""Which examples a text repeats: typos are forgiven, but a text near examples of two labels is nobody's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz, process

from bot.nlu.lexical import Lexicon

SAID = (
    "Der Export der Liste stürzt ab",
    "Der Export der Listen stuerzt ab!",
    "Passwort vergessen, was nun?",
    "geht nicht",
)
LABELS = ("fault", "fault", "password", "vague")
LEXICON = Lexicon(SAID, LABELS)


def test_a_repeated_example_is_found_whatever_its_spelling() -> None:
    exact = LEXICON.find("PASSWORT VERGESSEN - WAS NUN")
    near = LEXICON.find("Passwort vergesen, was nun?")
    assert exact is not None
    assert (exact.row, exact.similarity) == (2, 1.0)
    assert near is not None
    assert near.row == 2
    assert 0.9 < near.similarity < 1


def test_short_and_strange_texts_repeat_nothing() -> None:
    for text in ("", "?", "geht nich", "Die Schulung hat uns sehr gefallen"):
        assert LEXICON.find(text) is None


def test_a_text_near_examples_of_two_labels_is_nobodys() -> None:
    lexicon = Lexicon(["Wie buche ich eine Schulung?", "Wir buchen eine Schulung!"], ["question", "request"])
    assert lexicon.find("Wie buchen wir eine Schulung") is None


@given(st.text(alphabet="abcdehilnrst ", max_size=40))
def test_looking_among_texts_of_similar_length_only_misses_nothing(text: str) -> None:
    keys = ["der export der liste", "das passwort ist alt", "a b c d", "hinter der linie", "nichts"]
    lexicon = Lexicon(keys, ["one"] * len(keys))
    key = " ".join(text.split())
    every = process.extract(key, keys, scorer=fuzz.ratio, score_cutoff=60, limit=None)
    assert sorted((row, score) for row, score in lexicon._near(key, 60)) == sorted(
        (row, score) for _, score, row in every
    )
