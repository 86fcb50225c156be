"""Keeps trained models on disk, so that a start takes no training.

Plain arrays only, nothing that could run code when it is read. Whatever cannot be read, or was made by other code, with other
libraries or for other examples, counts as absent. It must not know what the arrays mean.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_KEPT = 3  # models of earlier catalogues that are kept: an edit is often taken back
_LIBRARIES = ("numpy", "scipy")


def key(*parts: Iterable[str]) -> str:
    """A name for what was trained from ``parts`` by this code with these libraries."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            digest.update(f"{library} {version(library)}\n".encode())
    for part in parts:
        for item in part:
            digest.update(item.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(b"\1")
    return digest.hexdigest()[:32]


def fetch(folder: Path, name: str) -> Arrays | None:
    """What was stored under ``name``; None if there is nothing, or nothing that can be trusted."""
    try:
        with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:  # reading checks each array's CRC
            arrays = {field: stored[field] for field in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError):
        return None
    return arrays if str(arrays.pop("key", "")) == name else None


def store(folder: Path, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Store ``arrays`` under ``name``. A full disk or a folder that cannot be written costs the next start time, nothing else."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, allow_pickle=False, key=np.array(name), **arrays)
            Path(temporary).replace(folder / f"{name}.npz")
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        stored = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in stored[_KEPT:]:
            old.unlink(missing_ok=True)
