"""The intent files once each of them fits its schema, still with the place of every value.

It must not know whether the files fit each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from pydantic import BaseModel

from bot.catalogue.problems import Problem, Severity
from bot.catalogue.schema import AgreementFile, CompanyFile, TextsFile, TextTree, TopicFile
from bot.catalogue.yaml import Document, Path
from bot.model import LANGUAGES, Category, Language

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Sheet(Generic[Model]):
    """One file: what it says, and where."""

    document: Document
    content: Model

    @property
    def file(self) -> str:
        return self.document.file

    @property
    def stem(self) -> str:
        return PurePosixPath(self.file).stem

    def problem(
        self,
        path: Path,
        message: str,
        remedy: str,
        *,
        severity: Severity = "error",
        key: bool = False,
        needle: str = "",
    ) -> Problem:
        place = self.document.place_of(path, needle) if needle else self.document.place(path, key=key)
        return self.document.problem(place, message, remedy, severity)


@dataclass(frozen=True, slots=True)
class Utterance:
    """One example, symptom or check."""

    sheet: Sheet[TopicFile]
    section: str
    language: Language
    index: int
    text: str

    @property
    def path(self) -> Path:
        return (self.section, self.language, self.index)

    @property
    def topic(self) -> str:
        return self.sheet.content.id

    @property
    def category(self) -> Category:
        return Category.ERROR_REPORT if self.section == "symptoms" else self.sheet.content.category

    @property
    def line(self) -> int:
        return self.sheet.document.place(self.path).line


@dataclass(frozen=True, slots=True)
class Material:
    """``unread`` holds the ids of the topics whose files are broken: others may well refer to them."""

    topics: tuple[Sheet[TopicFile], ...]
    agreement: Sheet[AgreementFile] | None
    company: Sheet[CompanyFile] | None
    texts: Mapping[Language, Sheet[TextsFile]]
    informal: Mapping[Language, Sheet[TextsFile]] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()


def utterances(topic: Sheet[TopicFile]) -> Iterator[Utterance]:
    for section, content in topic.content.sections().items():
        texts = content.texts()
        for language in LANGUAGES:
            for index, text in enumerate(texts[language]):
                yield Utterance(topic, section, language, index, text)


def flatten(tree: Mapping[str, TextTree], above: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each text with its path: ``{"a": {"b": "x"}}`` holds ``(("a", "b"), "x")``."""
    for key, value in tree.items():
        if isinstance(value, str):
            yield (*above, key), value
        else:
            yield from flatten(value, (*above, key))
