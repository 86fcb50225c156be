"""YAML 1.2 with positions, and everything that is refused."""

from __future__ import annotations

import time

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from bot.catalogue.yaml import MAX_BYTES, Data, Document, parse


def document(text: str) -> Document:
    found, problems = parse("a.yaml", text.encode())
    assert problems == []
    assert found is not None
    return found


def complaints(content: str | bytes) -> list[str]:
    _, problems = parse("a.yaml", content.encode() if isinstance(content, str) else content)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "y", "N", "2026-11-24", "12:30", "1_000", "0b1", "<<", "="])
def test_words_that_yaml_1_1_would_turn_into_something_else_stay_words(word: str) -> None:
    assert document(f"- {word}").data == [word]
    assert document(f"{word}: x").data == {word: "x"}


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("404", 404),
        ("-7", -7),
        ("010", 10),
        ("0o10", 8),
        ("0xFF", 255),
        ("0.6", 0.6),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("1.2.3", "1.2.3"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_only_the_core_schema_is_resolved(plain: str, value: Data) -> None:
    assert document(f"- {plain}").data == [value]


@pytest.mark.parametrize("quoted", ['"true"', "'404'", '"null"', "'~'"])
def test_what_is_quoted_stays_text(quoted: str) -> None:
    assert document(f"- {quoted}").data == [quoted[1:-1]]


def test_every_key_and_value_knows_its_line_and_column() -> None:
    found = document('a: x\nübung:\n  - "😀"\n  - b: [1, 2]\n')
    assert [(p.line, p.column) for p in (found.place(("a",)), found.place(("übung",), key=True))] == [(1, 4), (2, 1)]
    assert (found.place(("übung", 1, "b", 1)).line, found.place(("übung", 1, "b", 1)).column) == (4, 12)


def test_a_path_that_does_not_exist_leads_to_the_nearest_that_does() -> None:
    found = document("a:\n  b: x\n")
    assert found.place(("a", "<tag>", "b", "c")) == found.place(("a", "b"))
    assert found.place(("z",)).line == 1


def test_a_word_inside_a_text_is_found_where_it_stands() -> None:
    found = document("x: 1\na: |\n  first\r\n  then {here}\n")
    place = found.place_of(("a",), "{here}")
    assert (place.line, place.column) == (4, 8)
    assert found.place_of(("a",), "{elsewhere}") == found.place(("a",))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3:1: 'a' stands here twice (first in line 1). Delete or rename one of the two."),
        ("a:\n\t- x\n", "a.yaml:2:1: A tab stands in the indentation. Use spaces."),
        ("- *a\n", "a.yaml:1:3: * has a special meaning at the start of a text. Put the text in double quotes."),
        ("- &a x\n", "a.yaml:1:3: & has a special meaning at the start of a text. Put the text in double quotes."),
        ("- !x y\n", "a.yaml:1:3: ! has a special meaning at the start of a text. Put the text in double quotes."),
        ("- & b\n", "a.yaml:1:4: & has a special meaning at the start of a text. Put it in double quotes."),
        ("- @x\n", "a.yaml:1:3: A text must not start with @. Put it in double quotes."),
        ("a: b: c\n", "a.yaml:1:5: A colon with a space after it stands inside a text. Put it in double quotes."),
        ("- x\n- 'abc\n\n", "a.yaml:2:3: The quotation mark that opens here is never closed. Close it."),
        ("a: [x, y\n", "a.yaml:1:4: The bracket that opens here is not closed. Close it, or put the text in quotes."),
        (
            '- "a\\q"\n',
            "a.yaml:1:5: A backslash in double quotes starts an escape. Write it twice, or use single quotes.",
        ),
        (
            '- "Export" geht nicht\n',
            "a.yaml:1:12: A list item is expected here. "
            "Check the indentation; a text that starts with a quotation mark needs quotes around all of it.",
        ),
        ("a: 1\nb\n", "a.yaml:2:1: This line is neither a key with a colon nor an item. Check its indentation."),
        ("a: [", "a.yaml:2:1: A value is missing here. Write it; check that brackets above are closed."),
        (
            "a: {b} c\n",
            "a.yaml:1:8: This does not continue what stands above. "
            "Check the indentation; a text that starts with a quotation mark or a bracket needs quotes around all of it.",
        ),
        ("a: |x\n", "a.yaml:1:5: Nothing may follow | or > in this line. Put the text below, indented."),
        (
            "a: x\n---\nb: y\n",
            "a.yaml:2:1: A second document starts here. Delete the line '---', or use one file for each.",
        ),
        ("404: x\n", "a.yaml:1:1: The key before this colon is no text. Put it in double quotes."),
        ("[a]: x\n", "a.yaml:1:1: A list or mapping cannot be a key. Put the text before the colon in double quotes."),
        ("", "a.yaml:1:1: The file is empty. Write its content, or delete the file."),
        ("# nothing\n", "a.yaml:1:1: The file is empty. Write its content, or delete the file."),
        (
            "a: x\nb: a\x00b\n",
            "a.yaml:2:5: There is an invisible character here (U+0000). "
            "Delete it; if the file is full of them, save it as UTF-8.",
        ),
        (
            "a: x\u2028y\n",
            "a.yaml:1:5: There is an invisible character here (U+2028). "
            "Delete it; if the file is full of them, save it as UTF-8.",
        ),
        (
            "\ufeffa: x\n",
            'a.yaml:1:1: The file starts with a byte order mark. Save it as "UTF-8" instead of "UTF-8 with BOM".',
        ),
        ("a: x".encode("utf-16"), "a.yaml:1:1: The file is stored as UTF-16. Save it as UTF-8."),
        (
            "a: x\nb: für".encode("latin-1"),
            "a.yaml:2:5: The byte 0xfc is not UTF-8. Save the file as UTF-8, then correct this character.",
        ),
        (
            b"a" * (MAX_BYTES + 1),
            "a.yaml:1:1: The file is larger than 5 MB. Split the topic, or check whether this is an intent file at all.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_its_remedy(content: str | bytes, complaint: str) -> None:
    assert complaints(content) == [complaint]


def test_all_duplicates_and_references_of_a_file_are_told_at_once() -> None:
    assert len(complaints("a: *x\nb: !y z\na: &z 1\nc: fine\n")) == 4


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_deep_nesting_is_refused_at_once(opening: str) -> None:
    started = time.process_time()
    _, problems = parse("a.yaml", (opening * 200_000).encode())
    assert problems
    assert time.process_time() - started < 5  # libyaml alone would need minutes


def test_a_billion_laughs_are_refused() -> None:
    laughs = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    assert complaints(laughs)


plain_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain_data, st.booleans())
def test_whatever_pyyaml_writes_is_read_back(data: Data, flow: bool) -> None:
    assert document(pyyaml.safe_dump(data, default_flow_style=flow, explicit_start=True)).data == data
