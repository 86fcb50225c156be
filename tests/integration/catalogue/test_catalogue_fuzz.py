"""Whatever stands in a file, `inspect` answers with problems and never with a crash."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.catalogue.load import inspect
from tests.integration.catalogue.folder import AGREEMENT, COMPANY, TEXTS, topic, whole

FILES = {
    "agreement.yaml": AGREEMENT,
    "company.yaml": COMPANY,
    "texts/de.yaml": TEXTS,
    "topics/topic_0.yaml": topic("topic_0"),
}
KEYS = [
    "id",
    "title",
    "de",
    "en",
    "category",
    "answer",
    "examples",
    "buttons",
    "costs",
    "company",
    "products",
    "a",
    "?",
    "{x",
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(KEYS)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=15,
)
SIGNS = [
    ": ",
    ":\n",
    "\n",
    "- ",
    "  ",
    "\t",
    "|",
    ">",
    "'",
    '"',
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "!t",
    "---",
    "#",
    "%",
    "@",
]
fragments = st.lists(st.sampled_from([*KEYS, *SIGNS]), max_size=40).map("".join)


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> str:
    """A good file with a piece cut out and another put in."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 30)))
    return text[:start] + draw(fragments | st.text(max_size=10)) + text[end:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("fuzz") / "intents").folder


@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
@settings(max_examples=300, deadline=None)
def test_no_content_crashes(folder: Path, name: str, data: st.DataObject) -> None:
    content = data.draw(
        st.binary(max_size=200)
        | fragments.map(str.encode)
        | trees.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode(errors="replace"))
        | spoiled(FILES[name]).map(lambda text: text.encode(errors="replace"))
    )
    path = folder / name
    path.write_bytes(content)
    try:
        catalogue, problems = inspect(folder)
    finally:
        path.write_text(FILES[name])
    assert (catalogue is None) == any(problem.severity == "error" for problem in problems)
    assert all(problem.line >= 1 and problem.column >= 1 and problem.remedy for problem in problems)
    assert list(problems) == sorted(set(problems))


def test_a_folder_of_noise_is_no_catalogue() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "agreement.yaml").write_bytes(bytes(range(256)))
        assert inspect(Path(folder))[0] is None
