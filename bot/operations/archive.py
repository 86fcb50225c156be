"""The archive of a backup: a compressed tar file with a copy of the database, the files, and last a manifest with all their sums.

It must not know what is in the database. Nothing of an archive is trusted: a name is used only if it is one that we would give.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from bot.errors import FirstlineError
from bot.storage.files import KEY

FORMAT = 1
DATABASE, MANIFEST, FILES = "firstline.db", "manifest.json", "files/"
LONGEST_MANIFEST = 256 << 20
PIECE = 1 << 20


class ArchiveError(FirstlineError):
    """The archive cannot be used."""


class Manifest(BaseModel):
    """``members`` are SHA-256 in hex by name. ``schema_version`` is the database's revision.

    ``missing`` are files that were gone or damaged; ``elsewhere`` is where the files are kept if they are not in the archive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    firstline: str
    schema_version: str
    made_at: AwareDatetime
    members: Mapping[str, str]
    missing: tuple[str, ...] = ()
    elsewhere: str | None = None

    @property
    def files(self) -> int:
        return sum(name.startswith(FILES) for name in self.members)


class Writer:
    """Adds members one after the other."""

    def __init__(self, tar: tarfile.TarFile, made_at: datetime) -> None:
        self._tar = tar
        self._made_at = made_at
        self.members: dict[str, str] = {}

    def add(self, name: str, path: Path) -> None:
        """Raises OSError."""
        with path.open("rb") as file:
            reading = _Hashing(file)
            self._tar.addfile(self._info(name, path.stat().st_size), reading)
        self.members[name] = reading.digest

    def close(self, manifest: Manifest) -> None:
        content = manifest.model_dump_json(indent=1).encode()
        self._tar.addfile(self._info(MANIFEST, len(content)), io.BytesIO(content))

    def _info(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(self._made_at.timestamp())
        return info


@contextmanager
def writing(path: Path, made_at: datetime) -> Iterator[Writer]:
    """Raises OSError."""
    with tarfile.open(path, "w:gz") as tar:
        yield Writer(tar, made_at)


def unpack(archive: Path, folder: Path) -> Manifest:
    """Put the database and the files below ``folder``, which is empty, under their own names. Raises ArchiveError, OSError.

    Nothing there may be used unless this returns: only then it is whole and what the manifest says.
    """
    found: dict[str, str] = {}
    manifest: Manifest | None = None
    try:
        with gzip.open(archive) as raw, tarfile.open(fileobj=raw, mode="r|") as tar:
            for member in tar:
                if not member.isreg() or member.issparse() or member.name in found or manifest is not None:
                    raise ArchiveError(f"{archive} holds {_shown(member.name)}, which does not belong there.")
                content = tar.extractfile(member)
                assert content is not None
                if member.name == MANIFEST:
                    manifest = _manifest(archive, content)
                else:
                    found[member.name] = _unpacked(archive, member.name, content, folder)
            while raw.read(PIECE):  # to the end, where the sum of everything is
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveError(f"{archive} is damaged, or no backup of Firstline ({error}).") from error
    if manifest is None:
        raise ArchiveError(f"{archive} is not complete: its manifest is missing.")
    wrong = {name for name in {*found, *manifest.members} if found.get(name) != manifest.members.get(name)}
    if wrong or DATABASE not in found:
        raise ArchiveError(f"{archive} has been altered: {_shown(min(wrong, default=DATABASE))} is not what it was.")
    return manifest


def _unpacked(archive: Path, name: str, content: IO[bytes], folder: Path) -> str:
    """Where it goes follows from what its name may be."""
    if name != DATABASE and not (name.startswith(FILES) and KEY.fullmatch(name.removeprefix(FILES))):
        raise ArchiveError(f"{archive} holds {_shown(name)}, which does not belong there.")
    path = folder / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    reading = _Hashing(content)
    with path.open("xb") as file:
        path.chmod(0o600)
        while piece := reading.read(PIECE):
            file.write(piece)
    if name != DATABASE and not name.endswith(reading.digest):
        raise ArchiveError(f"{archive} has been altered: {_shown(name)} is not what it was.")
    return reading.digest


def _manifest(archive: Path, content: IO[bytes]) -> Manifest:
    raw = content.read(LONGEST_MANIFEST)
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        made_by = re.search(rb'"firstline"\s*:\s*"([\w.+-]{1,40})"', raw)
        by = f" It was made by Firstline {made_by[1].decode()}." if made_by else ""
        raise ArchiveError(f"{archive} has a manifest that cannot be read.{by}") from error
    if manifest.format != FORMAT:
        raise ArchiveError(
            f"{archive} was made by Firstline {manifest.firstline}, which is newer: restore it with that one."
        )
    return manifest


def _shown(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:99]}…")


class _Hashing(io.RawIOBase):
    """Reads another file and remembers the sum of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> Any:
        piece = self._file.read(size)
        self._hash.update(piece)
        return piece
