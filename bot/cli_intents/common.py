"""What the commands of ``firstline intents`` share: their group, the console, what is in force, and reading files of rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console

from bot.config import Settings
from bot.errors import FirstlineError
from bot.screen import screen

if TYPE_CHECKING:  # these take long to import, and not every command needs them
    from rich.status import Status

    from bot.catalogue.catalogue import Catalogue
    from bot.ports import Classifier

intents = typer.Typer(no_args_is_help=True, help="The intent files: check, try, evaluate, compare.")
out = screen()
Form = Literal["text", "json"]
Row = TypeVar("Row", bound=BaseModel)


def waiting(words: str) -> Status:
    """Show on a terminal what is being waited for; standard output stays clean."""
    return Console(stderr=True, quiet=not sys.stderr.isatty()).status(words)


def in_force(folder: Path | None = None) -> tuple[Catalogue, Classifier]:
    """The catalogue of ``folder``, else the one in force, and its classifier. Raises CatalogueError, SettingsError."""
    from bot.knowledge import Knowledge

    settings = Settings.load()
    if folder is not None:  # its models must not push those of the running bot out of the cache
        settings = settings.model_copy(update={"intents": folder, "data": settings.data / "trial"})
    with waiting("Training ..."):
        knowledge = Knowledge.load(settings)
    return knowledge.catalogue, knowledge.classifier


def rows_of(file: Path, kind: type[Row]) -> list[Row]:
    """The rows of a JSON lines file. Raises FirstlineError that names file, line and field of every bad one."""
    rows: list[Row] = []
    problems = []
    for number, line in enumerate(lines_of(file), 1):
        if not line.strip():
            continue
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "line"
            problems.append(f"{file}:{number}: {place}: {first['msg']}")
    if problems or not rows:
        raise FirstlineError("\n".join(problems) or f"{file} holds no row.")
    return rows


def lines_of(file: Path) -> list[str]:
    """The lines of a text file. Raises FirstlineError when it cannot be read."""
    try:
        # Not splitlines(): a sentence may hold a line separator of Unicode, which JSON does not escape.
        return file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FirstlineError(f"{file} cannot be read: {error}. It must be a UTF-8 text file.") from None


def write(file: Path, content: str) -> None:
    """Raises FirstlineError when the file cannot be written."""
    try:
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise FirstlineError(f"{file} cannot be written: {error.strerror}.") from None
