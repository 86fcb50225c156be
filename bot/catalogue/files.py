"""Finds and reads the files of an intents folder: everything that belongs there, and nothing from outside it.

It must not know what the files say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.catalogue.problems import Problem
from bot.catalogue.yaml import MAX_BYTES


@dataclass(frozen=True, slots=True)
class IntentFile:
    """``name`` is relative to the intents folder, with slashes."""

    name: str
    content: bytes


def read(folder: Path) -> tuple[tuple[IntentFile, ...], list[Problem]]:
    """All intent files of ``folder`` in the order of their names, and what kept others from being read."""
    files: list[IntentFile] = []
    problems: list[Problem] = []
    try:
        root = folder.resolve(strict=True)
        if not root.is_dir():
            raise NotADirectoryError
    except (OSError, RuntimeError):
        return (), [Problem(".", 1, 1, "error", f"There is no folder {folder}", "Check the setting FIRSTLINE_INTENTS.")]
    for path in _walk(folder, root, frozenset({root})):
        name = _printable(path.relative_to(folder).as_posix())
        found = _read(path, root)
        if isinstance(found, bytes):
            files.append(IntentFile(name, found))
        elif found:
            problems.append(Problem(name, 1, 1, "error", *found))
    return tuple(sorted(files, key=lambda file: file.name)), problems


def version(files: Iterable[IntentFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{len(file.content)}\0".encode())
        digest.update(file.content)
    return digest.hexdigest()[:12]


def _walk(folder: Path, root: Path, above: frozenset[Path]) -> Iterator[Path]:
    """Follows links to folders inside the root (Kubernetes mounts files so), but never in a circle."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder  # reading it reports it
        return
    for entry in entries:
        if entry.name.startswith((".", "#")) or entry.name.endswith("~"):
            continue
        if entry.is_dir():
            target = entry.resolve()
            if not target.is_relative_to(root):
                yield entry
            elif target not in above:
                yield from _walk(entry, root, above | {target})
        elif entry.suffix.lower() in (".yaml", ".yml"):
            yield entry


def _read(path: Path, root: Path) -> bytes | tuple[str, str]:
    """The content, or what is wrong and what to do."""
    try:
        if not path.resolve(strict=True).is_relative_to(root):
            return "This is a link that leads out of the intents folder", "Copy what it points to into the folder."
        if path.suffix != ".yaml":
            return f"Files that end with {path.suffix} are not read", "Rename it so that it ends with .yaml."
        if not path.is_file():  # a pipe would be waited for without end
            return "This cannot be read as a file", "Check its type and its permissions."
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return "This link leads nowhere", "Delete it, or restore what it points to."
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        reason = getattr(error, "strerror", None) or "links in a circle"
        return f"This cannot be read ({reason})", "Check its type and its permissions."


def _printable(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()
