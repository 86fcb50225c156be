"""From a folder to a Catalogue, and what is found in folders that is not meant to be there."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from bot.catalogue.load import inspect, load
from bot.catalogue.problems import BrokenCatalogueError
from bot.errors import CatalogueError
from bot.model import Category, Priority
from tests.integration.catalogue.folder import Intents, topic

FULL = """id: full
title: {de: Voll, en: Full}
category: in_scope.usage
owner: Helpdesk
source: Handbuch
clause: scope
priority: high
vague: true
answer:
  de: |
    Hallo {company.name}
  en: Hello
follow_ups: [topic_0]
buttons:
  - label: {de: Mehr, en: More}
    topic: topic_1
examples:
  de:
    - yes
    - |
      zwei
      Zeilen
    - "a: b"
    - 2026-11-24
    - NO
  en: [on, off, a1, a2, a3]
symptoms:
  de: [geht nicht]
  en: []
checks:
  de: []
  en: [check me]
"""


def test_a_topic_arrives_whole(intents: Intents) -> None:
    intents.write("deep/down/full.yaml", FULL)
    full = load(intents.folder).topics["full"]
    assert (full.file, full.source, full.clause, full.priority, full.vague) == (
        "deep/down/full.yaml",
        "Handbuch",
        "scope",
        Priority.HIGH,
        True,
    )
    assert full.is_faq
    assert full.follow_ups == ("topic_0",)
    assert [(button.topic, button.label["en"]) for button in full.buttons] == [("topic_1", "More")]
    assert [(e.text, e.line, e.category) for e in full.examples if e.language == "de"] == [
        ("yes", 19, Category.USAGE),
        ("zwei\nZeilen\n", 20, Category.USAGE),
        ("a: b", 23, Category.USAGE),
        ("2026-11-24", 24, Category.USAGE),
        ("NO", 25, Category.USAGE),
        ("geht nicht", 28, Category.ERROR_REPORT),
    ]
    assert [(e.text, e.line) for e in full.checks] == [("check me", 32)]


def test_agreement_company_and_texts_arrive(intents: Intents) -> None:
    catalogue = load(intents.folder)
    assert catalogue.agreement.costs.wrongful_refusal == 40
    assert catalogue.agreement.clauses["scope"].title["en"] == "Scope"
    assert list(catalogue.agreement.categories) == list(Category)
    assert catalogue.company.values == {
        "company.name": {"de": "Muster GmbH", "en": "Muster GmbH"},
        "company.phone": None,
        "company.hours": {"de": "Mo-Fr", "en": "Mon-Fri"},
    }
    assert catalogue.company.products == {"portal": ("Portal", "Potral")}
    assert catalogue.texts["en"] == {
        "greeting": "Hello {name}",
        "ticket.opened": "Ticket {ticket}",
        "small_talk.topic_9": "Hello",
    }


def test_a_catalogue_can_travel_between_processes(intents: Intents) -> None:
    catalogue = load(intents.folder)
    assert pickle.loads(pickle.dumps(catalogue)) == catalogue


def test_the_version_follows_names_and_content_and_nothing_else(intents: Intents) -> None:
    first = load(intents.folder).version
    assert len(first) == 12
    os.utime(intents.folder / "company.yaml", (0, 0))
    intents.write("notes.txt", "not read")
    assert load(intents.folder).version == first
    intents.write("topics/x.yaml", topic("x"))
    second = load(intents.folder).version
    (intents.folder / "topics/x.yaml").rename(intents.folder / "x.yaml")
    (intents.folder / "other").mkdir()
    (intents.folder / "x.yaml").rename(intents.folder / "other/x.yaml")
    assert len({first, second, load(intents.folder).version}) == 3


def test_load_raises_with_all_problems(intents: Intents) -> None:
    intents.write("company.yaml", "company: [a")
    intents.write("topics/x.yaml", "id: x")
    with pytest.raises(BrokenCatalogueError, match=r"company.yaml:1:10: .*\n(?s:.*)topics/x.yaml:1:1") as caught:
        load(intents.folder)
    assert isinstance(caught.value, CatalogueError)
    assert {problem.file for problem in caught.value.problems} >= {"company.yaml", "topics/x.yaml"}


def test_warnings_do_not_keep_a_catalogue_from_loading(intents: Intents) -> None:
    catalogue, problems = inspect(intents.folder)
    assert catalogue is not None
    assert {problem.severity for problem in problems} == {"warning"}


def test_a_folder_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    assert [str(problem) for problem in inspect(tmp_path / "nowhere")[1]] == [
        f".:1:1: There is no folder {tmp_path / 'nowhere'}. Check the setting FIRSTLINE_INTENTS."
    ]
    (tmp_path / "file").touch()
    assert len(inspect(tmp_path / "file")[1]) == 1


def test_an_empty_folder_is_never_an_empty_catalogue(tmp_path: Path) -> None:
    catalogue, problems = inspect(tmp_path)
    assert catalogue is None
    assert [problem.file for problem in problems] == [
        ".",
        "agreement.yaml",
        "company.yaml",
        "texts/de.yaml",
        "texts/en.yaml",
    ]


@pytest.mark.parametrize(
    "name", [".x.yaml", ".git/x.yaml", "topics/x.yaml~", "topics/#x.yaml#", "topics/x.yaml.bak", "README.md"]
)
def test_hidden_and_backup_files_are_not_read(intents: Intents, name: str) -> None:
    intents.write(name, "broken: [")
    assert intents.problems == []


def test_a_link_out_of_the_folder_is_refused(intents: Intents, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/x.yaml").write_text(topic("x"))
    (intents.folder / "topics/x.yaml").symlink_to(tmp_path / "secret/x.yaml")
    (intents.folder / "more").symlink_to(tmp_path / "secret")
    assert intents.problems == [
        f"{name}:1:1: This is a link that leads out of the intents folder. Copy what it points to into the folder."
        for name in ("more", "topics/x.yaml")
    ]


def test_links_inside_the_folder_are_followed_as_kubernetes_mounts_files_so(intents: Intents) -> None:
    (intents.folder / "topics").rename(intents.folder / "..2026_11_24")
    (intents.folder / "..data").symlink_to("..2026_11_24")
    (intents.folder / "topics").symlink_to("..data")
    catalogue, problems = intents.inspect()
    assert problems == []
    assert catalogue is not None
    assert catalogue.topics["topic_0"].file == "topics/topic_0.yaml"


def test_links_in_a_circle_or_to_nowhere_and_pipes_neither_hang_nor_crash(intents: Intents) -> None:
    (intents.folder / "topics/again").symlink_to(intents.folder)
    (intents.folder / "topics/a.yaml").symlink_to("b.yaml")
    (intents.folder / "topics/b.yaml").symlink_to("a.yaml")
    (intents.folder / "topics/gone.yaml").symlink_to("nowhere.yaml")
    os.mkfifo(intents.folder / "topics/pipe.yaml")
    catalogue, problems = intents.inspect()
    assert catalogue is None
    assert [problem.split(":")[0] for problem in problems] == [
        f"topics/{name}.yaml" for name in ("a", "b", "gone", "pipe")
    ]


def test_a_file_name_that_is_not_utf8_can_still_be_shown(intents: Intents) -> None:
    try:
        Path(os.fsdecode(os.fsencode(intents.folder / "topics") + b"/\xff.yaml")).write_text("x: [")
    except OSError:
        pytest.skip("this file system only takes UTF-8")
    assert [problem.encode() for problem in intents.problems]
