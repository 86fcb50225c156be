"""Reads the file that lists who is of staff. It must not know what they may do."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from bot.catalogue import yaml
from bot.catalogue.problems import Problem
from bot.errors import SettingsError
from bot.model import Person
from bot.room.places import Colleague, Roster

_EXAMPLE = "- name: Kim Berger\n  telegram: 123456789\n  slack: U0123ABC"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @field_validator("name")
    @classmethod
    def _said(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("a name is needed: customers read who answers them")
        return " ".join(name.split())


def read_roster(path: Path) -> Roster:
    """The list in ``path``: a name for each, and the id that each platform knows them by.

    Raises SettingsError that names file, line and remedy.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"FIRSTLINE_STAFF_FILE: {path} cannot be read ({error.strerror}). It lists who is of staff:\n{_EXAMPLE}"
        ) from None
    document, problems = yaml.parse(str(path), content)
    if document is None:
        raise SettingsError("\n".join(map(str, problems)))
    if not isinstance(document.data, list) or not document.data:
        raise SettingsError(f"{path}:1: a list of people is expected, each with a name and ids:\n{_EXAMPLE}")
    found: list[Colleague] = []
    for index, entry in enumerate(document.data):
        colleague = _colleague(document, index, entry)
        if any(other.person.id == colleague.person.id for other in found):
            raise _wrong(document, index, f"{colleague.person.name} is listed twice", "Put all ids into one entry.")
        for adapter, account in colleague.accounts.items():
            if any(other.accounts.get(adapter) == account for other in found):
                raise _wrong(document, index, f"{adapter}: {account} is somebody else's", "Correct one of the two.")
        found.append(colleague)
    return Roster(tuple(found))


def _colleague(document: yaml.Document, index: int, entry: yaml.Data) -> Colleague:
    try:
        read = _Entry.model_validate(entry)
    except ValidationError as error:
        raise _wrong(document, index, error.errors()[0]["msg"], f"Write it as in:\n{_EXAMPLE}") from None
    accounts = {}
    for adapter, account in (read.model_extra or {}).items():
        if not isinstance(account, str | int) or isinstance(account, bool) or not str(account).strip():
            raise _wrong(document, index, f"{adapter}: {account!r} is no id", "Write the id that the platform has.")
        accounts[adapter] = str(account).strip()
    if not accounts:
        raise _wrong(document, index, f"{read.name} has no id", f"Add one for each platform, as in:\n{_EXAMPLE}")
    return Colleague(Person(_slug(read.name), read.name), accounts)


def _slug(name: str) -> str:
    """A key that fits into a button."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:30] or f"staff-{abs(hash(name)) % 10**8}"


def _wrong(document: yaml.Document, index: int, message: str, remedy: str) -> SettingsError:
    problem: Problem = document.problem(document.place((index,)), message, remedy)
    return SettingsError(str(problem))
