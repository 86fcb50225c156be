"""Statements of the way of every message: put together once, translated once for each database, and said to its driver directly.

What SQLAlchemy does around each call of the driver takes several times as long as the call. It must not know the tables.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import BindParameter, ClauseElement, Dialect, Executable
from sqlalchemy.exc import MultipleResultsFound, NoResultFound, StatementError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

_T = TypeVar("_T")
_Convert = Callable[[Any], Any] | None


class Prepared:
    """``statement`` may depend on the database, whose name it is then called with (sqlite, postgresql).

    Its parameters stand for one value each, never for several.
    """

    def __init__(self, statement: Executable | Callable[[str], Executable]) -> None:
        self._statement = statement
        self._translated: dict[tuple[str, ...], Translated] = {}

    def on(self, dialect: Dialect, names: Collection[str]) -> Translated:
        """For these parameters, some of which may be columns to be written."""
        key = (dialect.name, *names)
        found = self._translated.get(key)
        if found is None:
            found = self._translated[key] = _translated(self.of(dialect.name), dialect, names)
        return found

    def of(self, database: str) -> Executable:
        """As SQLAlchemy knows it."""
        return self._statement if isinstance(self._statement, Executable) else self._statement(database)


@dataclass(frozen=True, slots=True)
class Translated:
    """``text`` as the driver takes it; ``parameters`` are in its order, each with a name or else a value that never changes."""

    text: str
    parameters: Sequence[tuple[str | None, Any, _Convert]]
    by_name: Sequence[str] | None
    """What the driver calls the parameters, if it wants them by name."""
    row: Callable[[tuple[Any, ...]], Any]

    def bound(self, values: Mapping[str, Any]) -> Any:
        """What goes to the driver along with the text. Raises StatementError for a value that cannot be stored."""
        try:
            bound = [
                value if name is None else (values[name] if convert is None else convert(values[name]))
                for name, value, convert in self.parameters
            ]
        except Exception as error:
            raise StatementError(str(error), None, None, error) from error
        return tuple(bound) if self.by_name is None else dict(zip(self.by_name, bound, strict=True))

    def answer(self, rows: Sequence[tuple[Any, ...]], count: int) -> Answer:
        return Answer([self.row(row) for row in rows], count)


@dataclass(frozen=True, slots=True)
class Question(Generic[_T]):
    """A statement that can be said along with others, and how its answer is read."""

    statement: Prepared
    parameters: Mapping[str, Any]
    read: Callable[[Answer], _T]


class Answer:
    """As much of SQLAlchemy's ``CursorResult`` as is used of these statements. ``rowcount`` is how many rows were written."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        return self._rows

    def scalars(self) -> Iterator[Any]:
        return (row[0] for row in self._rows)

    def first(self) -> Any:
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Any:
        """Raises MultipleResultsFound."""
        if len(self._rows) > 1:
            raise MultipleResultsFound(f"{len(self._rows)} rows were found where one was expected")
        return self.first()

    def one(self) -> Any:
        """Raises NoResultFound, MultipleResultsFound."""
        row = self.one_or_none()
        if row is None:
            raise NoResultFound("no row was found where one was expected")
        return row


def _translated(statement: Executable, dialect: Dialect, names: Collection[str]) -> Translated:
    compiled = cast("ClauseElement", statement).compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler)
    order = tuple((compiled.positiontup or ()) if dialect.positional else compiled.params)
    parameters = [_parameter(compiled.binds[name], name, dialect, names) for name in order]
    return Translated(str(compiled), parameters, None if dialect.positional else order, _rows_of(statement, dialect))


def _parameter(
    bind: BindParameter[Any], name: str, dialect: Dialect, names: Collection[str]
) -> tuple[str | None, Any, _Convert]:
    assert not bind.expanding, f"{name} stands for several values"
    convert = _own(bind.type, dialect).bind_processor(dialect)
    if name in names:
        return name, None, convert
    value = bind.effective_value
    return None, value if convert is None else convert(value), None


def _rows_of(statement: Executable, dialect: Dialect) -> Callable[[tuple[Any, ...]], Any]:
    columns = getattr(statement, "exported_columns", None)
    keys, types = ([], []) if columns is None else ([*columns.keys()], [column.type for column in columns])
    row_type: Any = namedtuple("Row", keys, rename=True)  # type: ignore[misc]
    made: Callable[[tuple[Any, ...]], Any] = row_type._make
    converts = [(place, _own(type_, dialect).result_processor(dialect, None)) for place, type_ in enumerate(types)]
    needed = [(place, convert) for place, convert in converts if convert is not None]

    def row(raw: tuple[Any, ...]) -> Any:
        values = list(raw)
        for place, convert in needed:
            values[place] = convert(values[place])
        return made(tuple(values))

    return row if needed else made


def _own(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """The type as the database's dialect has it."""
    return type_.dialect_impl(dialect)
