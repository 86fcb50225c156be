"""Which examples a text repeats: typos are forgiven, but a text near examples of two labels is nobody's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz, process

from bot.nlu.lexical import Lexicon
from bot.nlu.text import fold, words

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


@st.composite
def keys_and_one_like_some(draw: st.DrawFn) -> tuple[list[str], str]:
    """Texts, of which many are a text with some letters struck, written anew or doubled; and that text."""
    letters = st.sampled_from("abcdehilnrst  ß日🙂")
    text = draw(st.text(letters, min_size=1, max_size=60))
    keys = draw(st.lists(st.text(letters, max_size=60), max_size=10))
    for _ in range(draw(st.integers(0, 10))):
        key = list(text)
        for place in draw(st.lists(st.integers(0, len(text) - 1), max_size=8)):
            key[place] = draw(st.sampled_from(["", "x", key[place] * 2]))
        keys.append("".join(key))
    return keys, text


@given(keys_and_one_like_some(), st.sampled_from([60.0, 84.0, 92.0, 100.0]))
def test_what_lengths_and_signatures_rule_out_is_not_near(said: tuple[list[str], str], least: float) -> None:
    keys, text = ([" ".join(words(fold(each))) for each in said[0]], " ".join(words(fold(said[1]))))
    lexicon = Lexicon(keys, ["one"] * len(keys))
    every = process.extract(text, keys, scorer=fuzz.ratio, score_cutoff=least, limit=None)
    assert sorted((row, score) for row, score in lexicon._near(text, least)) == sorted(
        (row, score) for _, score, row in every
    )


def test_the_nearest_comes_first() -> None:
    keys = ["der export der liste", "der export der listen", "das passwort ist alt"]
    found = Lexicon(keys, ["one"] * 3)._near("der export der listen", 80)
    assert [row for row, _ in found] == [1, 0]
