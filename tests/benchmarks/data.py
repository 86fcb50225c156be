"""Reads the public data sets that the classifier is measured on. It must not know what is measured."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts and their labels; out-of-scope texts have none."""

    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]]) -> Rows:
        return cls(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))

    def first(self, count: int) -> Rows:
        """The first ``count`` rows of each label, in their order."""
        seen: Counter[str] = Counter()
        kept = []
        for text, label in zip(self.texts, self.labels, strict=True):
            seen[label] += 1
            if seen[label] <= count:
                kept.append((text, label))
        return Rows.of(kept)

    def with_names(self) -> Rows:
        """These rows and the name of each label, as words, as one more row of it."""
        names = [(label.replace("_", " "), label) for label in sorted(set(self.labels))]
        return Rows.of([*zip(self.texts, self.labels, strict=True), *names])


@dataclass(frozen=True, slots=True)
class Task:
    """Train on ``train``, choose thresholds on ``val`` and ``val_outside``, judge ``test`` and ``test_outside``."""

    name: str
    train: Rows
    test: Rows
    val: Rows = Rows(())
    val_outside: Rows = Rows(())
    test_outside: Rows = Rows(())


def tasks(folder: Path) -> list[Task]:
    """All tasks whose files are in ``folder``. Raises OSError if one is missing."""
    return [*clinc(folder), *banking(folder), *roboai(folder)]


def clinc(folder: Path) -> list[Task]:
    full, small = (json.loads((folder / f"clinc150_{size}.json").read_text("utf-8")) for size in ("full", "small"))

    def rows(key: str) -> Rows:
        return Rows.of([(text, label) for text, label in full[key]])

    others = {
        "test": rows("test"),
        "val": rows("val"),
        "val_outside": rows("oos_val"),
        "test_outside": rows("oos_test"),
    }
    return [
        Task("CLINC150 full", rows("train"), **others),
        Task("CLINC150 small", Rows.of([(text, label) for text, label in small["train"]]), **others),
        Task("CLINC150, first 20 rows an intent", rows("train").first(20), **others),
    ]


def banking(folder: Path) -> list[Task]:
    def rows(name: str) -> Rows:
        with (folder / f"banking77_{name}.csv").open(encoding="utf-8", newline="") as file:
            return Rows.of([(row["text"], row["category"]) for row in csv.DictReader(file)])

    train, test = rows("train"), rows("test")
    return [Task("BANKING77 full", train, test), Task("BANKING77, first 10 rows an intent", train.first(10), test)]


def roboai(folder: Path) -> list[Task]:
    """Whole intents are held out, as out of scope. There is no validation part: every fifth training row serves for that."""
    lines = (folder / "roboai_faq_smalltalk_oos.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    made = []
    for lang, name in (("de", "German"), ("en", "English")):
        part = {
            split: [(row["text"], row["label"]) for row in found if (row["lang"], row["split"]) == (lang, split)]
            for split in ("train", "test", "oos_test")
        }
        labels = {label for _, label in part["train"]}
        test = [pair for pair in part["test"] if pair[1] in labels]
        made.append(
            Task(f"roboai {name}", Rows.of(part["train"]), Rows.of(test), test_outside=Rows.of(part["oos_test"]))
        )
    return made
