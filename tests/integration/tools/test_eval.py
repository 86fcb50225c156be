"""``firstline intents eval``: labelled messages, cross-validation, JSON, and a page that can be sent to anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

from bot.storage.codec import storable
from tests.hostile.strings import WORDS, characters
from tests.integration.tools.conftest import Run
from tests.integration.tools.folder import TOPICS, Intents

KEYS = {
    "rows",
    "accuracy",
    "accuracy_lenient",
    "macro_f1",
    "wrongful_refusals",
    "missed_exclusions",
    "faq_hit",
    "false_faq",
    "clarify_hit",
}
EXAMPLES = sum(len(texts) for _, examples, _ in TOPICS.values() for texts in examples.values())
HOSTILE = '</blockquote><script src="//evil.example/x.js">alert(1)</script><img src=x onerror=alert(1)>&amp;"\'\u2028'


def _labelled(file: Path, *rows: Mapping[str, object]) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def test_without_a_file_every_example_is_judged_by_a_classifier_that_has_not_seen_it(run: Run, tmp_path: Path) -> None:
    predictions = tmp_path / "out.jsonl"
    result = run("eval", "--format", "json", "--folds", "3", "--predictions", str(predictions))
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["rows"] == EXAMPLES
    assert set(figures) >= KEYS | {"de", "en", "ece", "catalogue"}
    assert set(figures["de"]) >= KEYS
    assert figures["accuracy"] < 1  # were it seen before, it would be found word for word
    rows = [json.loads(line) for line in predictions.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == EXAMPLES
    assert set(rows[0]) == {"id", "category", "matters", "faq", "confidence", "runner_up", "action"}
    assert rows[0]["id"].startswith("excluded/course.yaml:")


def test_the_same_catalogue_gives_the_same_figures(run: Run) -> None:
    first, second = (run("eval", "--format", "json", "--folds", "3").stdout for _ in range(2))
    assert first == second


def test_twins_are_held_out_together_so_that_repeating_is_not_taken_for_understanding(
    run: Run, intents: Intents, tmp_path: Path
) -> None:
    twins = [
        "Ganz anderes Anliegen namens Quitte",
        "ganz anderes anliegen namens quitte!",
        "Ganz anderes Anliegen namens Quitten",
    ]
    intents.learn("faq/hours", de=twins)
    predictions = tmp_path / "out.jsonl"
    assert run("eval", "--format", "json", "--predictions", str(predictions)).exit_code == 0
    rows = {row["id"]: row for row in map(json.loads, predictions.read_text(encoding="utf-8").splitlines())}
    content = (intents.folder / "faq" / "hours.yaml").read_text(encoding="utf-8").splitlines()
    lines = [number for number, line in enumerate(content, 1) if "uitte" in line]
    assert len(lines) == 3
    assert all(rows[f"faq/hours.yaml:{line}"]["confidence"] < 0.9 for line in lines)


def test_labelled_messages_are_told_in_words_with_the_worst_mistake_first(run: Run, tmp_path: Path) -> None:
    file = _labelled(
        tmp_path / "messages.jsonl",
        {"id": "a", "text": "Wann haben Sie geöffnet?", "lang": "de", "category": "in_scope.operation", "faq": "hours"},
        {"id": "b", "text": "Hello", "lang": "en", "category": "out_of_domain"},
        {"id": "c", "text": "Please train our new colleagues", "lang": "en", "category": "in_scope.usage"},
    )
    result = run("eval", str(file))
    assert result.exit_code == 0, result.output
    assert "Of 1,000 covered requests about 500 would be told that they are not covered" in result.stdout
    assert result.stdout.index("wrongly refused c") < result.stdout.index("wrong category b")
    assert "the customer is told that this is not covered" in result.stdout
    assert "excluded/course.yaml:" in result.stdout  # the example that misled


def test_a_refusal_that_a_careful_reader_could_defend_is_none(run: Run, tmp_path: Path) -> None:
    text = "Please train our new colleagues"
    row = {"id": "a", "text": text, "lang": "en", "category": "in_scope.usage", "also_ok": ["excluded.training"]}
    figures = json.loads(run("eval", str(_labelled(tmp_path / "m.jsonl", row)), "--format", "json").stdout)
    assert (figures["wrongful_refusals"], figures["accuracy"], figures["accuracy_lenient"]) == (0, 0, 1)


def test_of_several_matters_the_one_that_was_refused_is_named(run: Run, tmp_path: Path) -> None:
    text = "Das Portal stürzt ständig ab. Wir möchten eine Schulung buchen."
    row = {"id": "a", "text": text, "lang": "de", "category": "small_talk"}
    result = run("eval", str(_labelled(tmp_path / "m.jsonl", row)))
    assert "The bot read 2 matters in it and took" in result.stdout


def test_other_costs_are_shown_with_what_they_would_change(run: Run, tmp_path: Path) -> None:
    row = {"id": "a", "text": "Please train our new colleagues", "lang": "en", "category": "excluded.training"}
    result = run("eval", str(_labelled(tmp_path / "m.jsonl", row)), "--costs")
    assert result.exit_code == 0, result.output
    for cost in ("wrongful_refusal", "missed_exclusion", "clarification"):
        assert cost in result.stdout


def test_a_row_that_cannot_be_read_is_named_with_file_and_line(run: Run, tmp_path: Path) -> None:
    file = _labelled(tmp_path / "m.jsonl", {"id": "a", "text": "x", "lang": "fr", "category": "small_talk"})
    result = run("eval", str(file))
    assert result.exit_code == 1
    assert f"{file}:1: lang" in str(result.exception)


class _Page(HTMLParser):
    """What a browser would do with the page, as far as it could load or run anything."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action", "data")]
        self.handlers += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_one_file_that_loads_and_runs_nothing_whatever_customers_write(run: Run, tmp_path: Path) -> None:
    rows = [{"id": f"<b>{n}", "text": HOSTILE, "lang": "en", "category": "human_request"} for n in range(3)]
    rows += [
        {"id": str(n), "text": storable(words), "lang": "en", "category": "human_request"}
        for n, words in enumerate(WORDS.values())
    ]
    rows.append({"id": "c", "text": "Please train our new colleagues", "lang": "en", "category": "in_scope.usage"})
    html = tmp_path / "report.html"
    result = run("eval", str(_labelled(tmp_path / "m.jsonl", *rows)), "--html", str(html), "--mistakes", "100")
    assert result.exit_code == 0, result.output
    content = html.read_text(encoding="utf-8")
    page = _Page()
    page.feed(content)
    assert not page.tags & {"script", "img", "link", "iframe", "object", "form", "base"}
    assert (page.links, page.handlers) == ([], [])
    assert not re.search(r"url\(|@import", content)
    assert "default-src 'none'" in content
    for words in (HOSTILE, *WORDS.values()):  # all of it is there, as text
        assert characters(storable(words)) in characters("".join(page.text))
    assert "svg" in page.tags
    assert "prefers-color-scheme: dark" in content
    assert 'name="viewport"' in content


def test_a_page_that_cannot_be_written_is_told_in_one_sentence(run: Run, tmp_path: Path) -> None:
    row = {"id": "a", "text": "Hello", "lang": "en", "category": "small_talk"}
    result = run("eval", str(_labelled(tmp_path / "m.jsonl", row)), "--html", str(tmp_path / "no" / "report.html"))
    assert result.exit_code == 1
    assert "cannot be written" in str(result.exception)
