"""YAML 1.2 as its authors mean it: ``no`` stays a word, nothing is lost silently, every value knows where it stands.

It must not know what the values are for, nor read files.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from bot.catalogue.problems import Problem, Severity
from bot.catalogue.syntax import explain

Data = str | int | float | bool | None | list["Data"] | dict[str, "Data"]
Path = tuple[str | int, ...]

MAX_BYTES = 5_000_000
MAX_DEPTH = 32

# The core schema of YAML 1.2. Numbers are cut at a length that Python prints without complaint; longer ones stay text.
_CONSTANTS = {"": None, "~": None} | {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,3})?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

# Unicode's other line ends are in here because editors and YAML disagree on whether they start a line.
_UNWANTED = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands; ``line`` and ``column`` count from 1, ``start`` and ``end`` are offsets in the text."""

    line: int
    column: int
    start: int
    end: int


_TOP = Place(1, 1, 0, 0)


@dataclass(frozen=True, slots=True)
class Document:
    """The data of one file and the place of every key and value in it."""

    file: str
    text: str
    data: Data = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)

    def known(self, path: Path) -> Path:
        """The part of ``path`` that exists; steps that the file does not have are left out."""
        found: Path = ()
        for step in path:
            if (*found, step) in self.values:
                found = (*found, step)
        return found

    def place(self, path: Path, *, key: bool = False) -> Place:
        found = self.known(path)
        return (key and self.keys.get(found)) or self.values.get(found, _TOP)

    def place_of(self, path: Path, needle: str) -> Place:
        """Where ``needle`` stands inside the text at ``path``; where that text begins, if it cannot be seen in the source."""
        whole = self.place(path)
        start = self.text.find(needle, whole.start, whole.end)
        if start < 0:
            return whole
        line = self.text.count("\n", 0, start) + 1
        return Place(line, start - self.text.rfind("\n", 0, start), start, start + len(needle))

    def problem(self, place: Place, message: str, remedy: str, severity: Severity = "error") -> Problem:
        return Problem(self.file, place.line, place.column, severity, message, remedy)


def parse(file: str, content: bytes) -> tuple[Document | None, list[Problem]]:
    """The document, unless its syntax is broken, and everything that is wrong with it."""
    text, problems = _decode(file, content)
    if text is None:
        return None, problems
    reader = _Reader(Document(file, text))
    document = reader.read()
    return document, problems + reader.problems


def _decode(file: str, content: bytes) -> tuple[str | None, list[Problem]]:
    def problem(place: Place, message: str, remedy: str, severity: Severity = "error") -> Problem:
        return Problem(file, place.line, place.column, severity, message, remedy)

    if len(content) > MAX_BYTES:
        message = f"The file is larger than {MAX_BYTES // 1_000_000} MB"
        return None, [problem(_TOP, message, "Split the topic, or check whether this is an intent file at all.")]
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None, [problem(_TOP, "The file is stored as UTF-16", "Save it as UTF-8.")]
    problems = []
    if content.startswith(codecs.BOM_UTF8):
        content = content.removeprefix(codecs.BOM_UTF8)
        message = "The file starts with a byte order mark"
        problems.append(problem(_TOP, message, 'Save it as "UTF-8" instead of "UTF-8 with BOM".', "warning"))
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        place = _end_of(content[: error.start].decode())
        message = f"The byte 0x{content[error.start]:02x} is not UTF-8"
        return None, [*problems, problem(place, message, "Save the file as UTF-8, then correct this character.")]
    if unwanted := _UNWANTED.search(text):
        place, code = _end_of(text[: unwanted.start()]), f"U+{ord(unwanted.group()):04X}"
        message = f"There is an invisible character here ({code})"
        return None, [*problems, problem(place, message, "Delete it; if the file is full of them, save it as UTF-8.")]
    return text, problems


def _end_of(text: str) -> Place:
    return Place(text.count("\n") + 1, len(text) - text.rfind("\n"), len(text), len(text))


class _Stop(Exception):  # noqa: N818  (not an error of the program: reading further makes no sense)
    pass


class _Reader:
    """Builds the data from the parser's events.

    Composing would be shorter, but follows aliases and nests without limit; the events arrive one by one and can be refused.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.events: Iterator[yaml.Event] = yaml.parse(document.text, Loader=yaml.CSafeLoader)

    def read(self) -> Document | None:
        try:
            return self._read()
        except yaml.MarkedYAMLError as error:
            (line, column), message, remedy = explain(error, self.document.text)
            self.report(Place(line, column, 0, 0), message, remedy)
        except _Stop:
            pass
        return None

    def _read(self) -> Document | None:
        next(self.events)  # the stream's start
        if isinstance(next(self.events), yaml.StreamEndEvent):
            self.report(_TOP, "The file is empty", "Write its content, or delete the file.")
            return None
        data = self.node(next(self.events), ())
        next(self.events)  # the document's end
        if not isinstance(event := next(self.events), yaml.StreamEndEvent):
            self.report(
                _place(event), "A second document starts here", "Delete the line '---', or use one file for each."
            )
        return Document(self.document.file, self.document.text, data, self.document.keys, self.document.values)

    def report(self, place: Place, message: str, remedy: str) -> None:
        self.problems.append(self.document.problem(place, message, remedy))

    def node(self, event: yaml.Event, path: Path) -> Data:
        place = self.document.values[path] = _place(event)
        if len(path) > MAX_DEPTH:
            self.report(
                place, f"This is nested more than {MAX_DEPTH} levels deep", "Check the brackets and the indentation."
            )
            raise _Stop
        self.refuse_references(event, place)
        if isinstance(event, yaml.ScalarEvent):
            return _resolve(event.value) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        return self.document.text[place.start : place.end]  # an alias, already reported

    def refuse_references(self, event: yaml.Event, place: Place) -> None:
        """Anchors, aliases and tags: here they are texts that lack quotes, and aliases could blow a file up without end."""
        sign = "*" if isinstance(event, yaml.AliasEvent) else None
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            sign = "&" if event.anchor else "!" if event.tag else None
        if sign:
            self.report(place, f"{sign} has a special meaning at the start of a text", "Put the text in double quotes.")

    def sequence(self, path: Path) -> Data:
        items: list[Data] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items))))
        return items

    def mapping(self, path: Path) -> Data:
        data: dict[str, Data] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, place = self.key(event, path), _place(event)
            if key in data:
                first = self.document.keys[*path, key].line
                self.report(
                    place, f"'{key}' stands here twice (first in line {first})", "Delete or rename one of the two."
                )
            self.document.keys[*path, key] = place
            data[key] = self.node(next(self.events), (*path, key))
        return data

    def key(self, event: yaml.Event, path: Path) -> str:
        data, place = self.node(event, (*path, "?")), _place(event)
        if isinstance(data, str):
            return data
        if isinstance(data, (list, dict)):
            self.report(place, "A list or mapping cannot be a key", "Put the text before the colon in double quotes.")
        else:
            self.report(place, "The key before this colon is no text", "Put it in double quotes.")
        return str(data)


def _place(event: yaml.Event) -> Place:
    start, end = event.start_mark, event.end_mark
    assert start is not None
    assert end is not None
    return Place(start.line + 1, start.column + 1, start.index, end.index)


def _resolve(plain: str) -> Data:
    if plain in _CONSTANTS:
        return _CONSTANTS[plain]
    if _INTEGER.fullmatch(plain):
        return int(plain, 0) if plain[:2] in ("0o", "0x") else int(plain)
    if _FLOAT.fullmatch(plain):
        return float(plain)
    return float(plain.replace(".", "")) if _SPECIAL_FLOAT.fullmatch(plain) else plain
