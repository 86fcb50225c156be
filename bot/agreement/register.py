"""The customer register as a CSV file: read whole, with every problem at once, compared with what is known, and written again.

One line is one contract; an organisation with several has several lines. It must not know files, nor where customers are stored.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from rapidfuzz import process

from bot.agreement import cells
from bot.agreement.cells import CellError
from bot.agreement.customers import Contract, Organisation
from bot.model import Priority

MOST_BYTES = 20_000_000
NOT_UTF8 = "The file is not UTF-8, so it was read as Windows-1252. If umlauts look wrong, save it as 'CSV UTF-8'."
Names = Mapping[str, Sequence[str]]
Fields = dict[str, Any]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "number": ("kundennummer", "kundennr", "kdnr", "customer number"),
    "name": ("firma", "kunde", "unternehmen", "company", "organisation"),
    "email": ("e-mail", "mail", "e-mail-adresse"),
    "address": ("anrede",),
    "contacts": ("ansprechpartner", "kontakte"),
    "active": ("aktiv",),
    "contract": ("vertrag", "vertragsnummer", "contract number"),
    "valid_from": ("gültig ab", "gültig von", "beginn", "valid from"),
    "valid_until": ("gültig bis", "ende", "valid until"),
    "products": ("produkte",),
    "modules": ("module",),
    "covers": ("eingeschlossen", "zusatzleistungen"),
    "hours": ("servicezeiten", "servicezeit", "service hours"),
    "region": ("bundesland", "state"),
    "response_hours": ("reaktionszeit", "response time"),
    "response_hours_high": ("reaktionszeit hoch", "response time high"),
    "response_hours_low": ("reaktionszeit niedrig", "response time low"),
}
"""The columns in the order in which they are written, with other headings that are understood."""

_OF_CONTRACT = tuple(COLUMNS)[tuple(COLUMNS).index("contract") :]
_BY_HEADING = {heading: column for column, others in COLUMNS.items() for heading in (column, *others)}


@dataclass(frozen=True, slots=True)
class Problem:
    """``line`` counts from 1. ``message`` has no full stop, ``remedy`` is a whole sentence."""

    line: int
    column: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.line}: {self.column}: {self.message}. {self.remedy}"


@dataclass(slots=True)
class Entry:
    """What the file says of one organisation, field by field; what it has no column for is not in there."""

    line: int
    fields: Fields
    contracts: dict[str, Fields] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """An organisation as it is to be; ``before`` is None for a new one."""

    after: Organisation
    before: Organisation | None

    @property
    def kind(self) -> str:
        return "new" if self.before is None else "unchanged" if self.before == self.after else "changed"


def decoded(data: bytes) -> tuple[str, str | None]:
    """The text of a file as German spreadsheets save it, and what is to be said about its encoding. Raises CellError."""
    if len(data) > MOST_BYTES:
        raise CellError(
            f"the file has {len(data) / 1e6:.0f} MB", f"Split it into files of at most {MOST_BYTES // 10**6} MB."
        )
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise CellError("the file is a workbook, not a CSV file", "Save it as 'CSV UTF-8 (delimited)' and import that.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decoded(data, "utf-16"), None
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError:
        return _decoded(data, "cp1252"), NOT_UTF8


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise CellError("the file is no text that could be read", "Save it as 'CSV UTF-8 (delimited)'.") from None


# --- reading --------------------------------------------------------------------------------------


def read(text: str, products: Names) -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    """The entries of the register, in its order, and everything that is wrong with it; with any problem, use none of it."""
    reader = _Reader(products)
    reader.read(text)
    return tuple(reader.entries.values()), tuple(sorted(reader.problems, key=lambda problem: problem.line))


class _Reader:
    def __init__(self, products: Names) -> None:
        self.entries: dict[str, Entry] = {}
        self.problems: list[Problem] = []
        self._products = products

    def read(self, text: str) -> None:
        rows = self._rows(text)
        line, headings = next(rows, (1, []))
        columns = self._columns(line, headings)
        if columns is None:
            return
        for line, row in rows:
            if len(row) > len(columns) and any(cell.strip() for cell in row[len(columns) :]):
                self._problem(line, "line", f"it has {len(row)} cells, the first line {len(columns)}", _QUOTE)
            elif any(cell.strip() and not column for column, cell in zip(columns, row, strict=False)):
                self._problem(
                    line, "line", "a cell stands below no heading", "Give its column a heading, or delete it."
                )
            elif any(cell.strip() for cell in row):
                cells_ = {column: cell for column, cell in zip(columns, row, strict=False) if column}
                self._entry(line, {column: "" for column in columns if column} | cells_)
        if not self.entries and not self.problems:
            self._problem(1, "file", "it holds no customer", "Write each customer into a line below the headings.")

    def _rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        skipped = 0
        if found := re.match(r"sep=([;,|\t])\r?\n", text):  # what Excel itself writes and reads
            separator, text, skipped = found[1], text[found.end() :], 1
        else:
            separator = max(";,\t", key=text.partition("\n")[0].count)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        line = 1 + skipped
        try:
            for row in rows:
                if row:
                    yield line, row
                line = rows.line_num + 1 + skipped
        except csv.Error as error:
            self._problem(line, "line", f"it cannot be read: {error}", _QUOTE)

    def _columns(self, line: int, headings: Sequence[str]) -> list[str] | None:
        before = len(self.problems)
        columns: list[str] = []
        for heading in headings:
            words = " ".join(heading.replace("_", " ").casefold().split())
            column = _BY_HEADING.get(words) or _BY_HEADING.get(words.replace(" ", "_")) or ""
            if not column and words:
                near = process.extractOne(words, _BY_HEADING.keys(), score_cutoff=70)
                remedy = f"Did you mean {near[0]!r}?" if near else f"Use some of: {', '.join(COLUMNS)}."
                self._problem(line, cells.shown(heading), "there is no such column", remedy)
            elif column and column in columns:
                self._problem(line, column, "this column stands there twice", "Delete one of them.")
            columns.append(column)
        if len(self.problems) == before:
            for needed in ("number", "name"):
                if needed not in columns:
                    remedy = f"Let the first line hold the headings, {needed!r} among them."
                    self._problem(line, needed, "this column is missing", remedy)
        return columns if len(self.problems) == before else None

    def _entry(self, line: int, row: Mapping[str, str]) -> None:
        before = len(self.problems)
        fields = self._organisation(line, row)
        contract = self._contract(line, row) if any(row.get(column, "").strip() for column in _OF_CONTRACT) else None
        if len(self.problems) > before:
            return
        entry = self.entries.setdefault(_key(fields["number"]), Entry(line, fields))
        for name, value in fields.items():
            if entry.fields[name] != value:
                message = f"line {entry.line} says something else of this customer"
                self._problem(line, name, message, "Let both say the same; only contracts may differ.")
        if contract is None:
            return
        number = contract["number"]
        if number in entry.contracts:
            message = (
                f"this customer has the contract {number!r} in another line"
                if number
                else "a contract without a number stands in another line"
            )
            self._problem(line, "contract", message, "Give each contract of a customer a number of its own.")
        entry.contracts.setdefault(number, contract)

    def _organisation(self, line: int, row: Mapping[str, str]) -> Fields:
        fields = {
            "number": self._cell(line, row, "number", cells.customer_number),
            "name": self._cell(line, row, "name", _name),
            "email": self._cell(line, row, "email", cells.email),
            "address": self._cell(line, row, "address", cells.form_of_address),
            "contacts": self._cell(line, row, "contacts", cells.contacts),
            "active": self._cell(line, row, "active", cells.yes_or_no),
        }
        return {name: value for name, value in fields.items() if name in row}

    def _contract(self, line: int, row: Mapping[str, str]) -> Fields:
        products, region = self._products, row.get("region", "")
        hours = {"hours": row.get("hours", "")}
        times = {
            column: self._cell(line, row, column, cells.working_hours)
            for column in ("response_hours", "response_hours_high", "response_hours_low")
        }
        fields = {
            "number": self._cell(line, row, "contract", lambda text: cells.plain(text, 60)) or "",
            "valid_from": self._cell(line, row, "valid_from", cells.day),
            "valid_until": self._cell(line, row, "valid_until", cells.day),
            "products": self._cell(line, row, "products", lambda text: cells.products(text, products)),
            "modules": self._cell(line, row, "modules", cells.words),
            "covers": self._cell(line, row, "covers", cells.covers),
            "hours": self._cell(line, hours, "hours", lambda text: cells.hours(text, region)),
            "first_response": times["response_hours"],
            "responses": {
                priority: time
                for priority, time in (
                    (Priority.HIGH, times["response_hours_high"]),
                    (Priority.LOW, times["response_hours_low"]),
                )
                if time is not None
            },
        }
        first, last = fields["valid_from"], fields["valid_until"]
        if first is not None and last is not None and last < first:
            self._problem(line, "valid_until", f"{last} is before {first}", "Exchange the two dates, or correct them.")
        said = {
            "first_response": ("response_hours",),
            "responses": ("response_hours_high", "response_hours_low"),
            "hours": ("hours", "region"),
        }
        kept = {name for name in fields if any(column in row for column in said.get(name, (name,)))}
        return {name: value for name, value in fields.items() if name in kept or name == "number"}

    def _cell(self, line: int, row: Mapping[str, str], column: str, reading: Callable[[str], Any]) -> Any:
        if column not in row:
            return None
        try:
            return reading(row[column])
        except CellError as error:
            self._problem(line, column, error.message, error.remedy)
            return None

    def _problem(self, line: int, column: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(line, column, message, remedy))


_QUOTE = "Put cells that contain the separator, quotes or line breaks in double quotes, and double the quotes in them."


def _key(number: str) -> str:
    """What makes a customer number itself, however it is punctuated."""
    return "".join(c for c in number.casefold() if c.isalnum())


def _name(text: str) -> str:
    name = cells.plain(text, 200)
    if not any(c.isalnum() for c in name):
        raise CellError("the name is missing", "Enter the company's name.")
    return name


# --- comparing and writing ------------------------------------------------------------------------


def changes(known: Iterable[Organisation], entries: Iterable[Entry]) -> tuple[Change, ...]:
    """What importing the entries makes of the organisations, which are known by their numbers.

    A field or contract that the register does not speak of stays as it is.
    """
    by_number = {_key(organisation.number): organisation for organisation in known}
    return tuple(_change(by_number.get(_key(entry.fields["number"])), entry) for entry in entries)


def _change(before: Organisation | None, entry: Entry) -> Change:
    base = before or Organisation(id=str(uuid4()), name="", number="")
    contracts = {contract.number: contract for contract in base.contracts}
    for number, fields in entry.contracts.items():
        contracts[number] = replace(contracts.get(number, Contract()), **fields)
    ordered = tuple(contracts[number] for number in sorted(contracts))
    return Change(replace(base, **entry.fields, contracts=ordered), before)


def write(organisations: Iterable[Organisation]) -> str:
    """The register of these organisations; reading it gives them again."""
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, COLUMNS, delimiter=";", restval="")
    table.writeheader()
    for organisation in organisations:
        own = {
            "number": organisation.number,
            "name": organisation.name,
            "email": organisation.email or "",
            "address": organisation.address,
            "contacts": cells.write_contacts(organisation.contacts),
            "active": "yes" if organisation.active else "no",
        }
        table.writerows(own | row for row in (map(_row, organisation.contracts) if organisation.contracts else ({},)))
    return file.getvalue()


def _row(contract: Contract) -> dict[str, str]:
    hours, region = cells.write_hours(contract.hours)
    return {
        "contract": contract.number,
        "valid_from": contract.valid_from.isoformat() if contract.valid_from else "",
        "valid_until": contract.valid_until.isoformat() if contract.valid_until else "",
        "products": " | ".join(contract.products),
        "modules": " | ".join(contract.modules),
        "covers": " | ".join(sorted(category.value.partition(".")[2] for category in contract.covers)),
        "hours": hours,
        "region": region,
        "response_hours": cells.write_working_hours(contract.first_response),
        "response_hours_high": cells.write_working_hours(contract.responses.get(Priority.HIGH)),
        "response_hours_low": cells.write_working_hours(contract.responses.get(Priority.LOW)),
    }
