"""What is wrong with an intent file, said so that its author can repair it without asking.

It must not know how problems are found or where they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bot.errors import CatalogueError

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """``file`` is relative to the intents folder; ``line`` and ``column`` count from 1. An error keeps the catalogue from loading.

    ``message`` has no full stop at its end, ``remedy`` is a whole sentence.
    """

    file: str
    line: int
    column: int
    severity: Severity
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}. {self.remedy}"


def errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.severity == "error")


class BrokenCatalogueError(CatalogueError):
    """The intent files have problems, so the catalogue was not loaded.

    ``problems`` holds all of them, warnings too, in the order of the files.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        found = errors(self.problems)
        count = "1 error" if len(found) == 1 else f"{len(found)} errors"
        super().__init__(
            "\n".join((f"The intent files have {count}, so the catalogue was not loaded:", *map(str, found)))
        )
