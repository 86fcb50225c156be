"""Backs up an embedded database that may be in use, with its files, and restores it: whole, or not at all.

It must not know the settings. A database server has tools of its own for this, see docs/operations.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot import __version__
from bot.operations.archive import DATABASE, FILES, FORMAT, ArchiveError, Manifest, unpack, writing
from bot.storage import copies, migrate
from bot.storage.database import Database
from bot.storage.files import KEY, PIECE, UNFINISHED

GAP = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where the data are. ``files`` is None when they are kept ``elsewhere``, which no archive holds."""

    database: Path
    files: Path | None
    elsewhere: str | None = None


def back_up(place: Place, archive: Path, now: datetime) -> Manifest:
    """Write ``archive``, which is there only when it is whole. Raises ArchiveError, DatabaseError."""
    if archive.exists():
        raise ArchiveError(f"{archive} is there already and is not overwritten.")
    if not place.database.exists():
        raise ArchiveError(f"There is no database {place.database} yet.")
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".firstline-") as aside:
            copied, draft = Path(aside) / DATABASE, Path(aside) / "archive"
            copies.copy(place.database, copied)
            manifest = _written(place, copied, draft, now)
            draft.chmod(0o600)
            _sync(draft)
            draft.replace(archive)
            _sync(archive.parent)
    except OSError as error:
        raise ArchiveError(f"{archive} cannot be written: {error.strerror or error}.") from error
    return manifest


def _written(place: Place, copied: Path, draft: Path, now: datetime) -> Manifest:
    revision, keys = copies.inspected(copied)
    missing = []
    with writing(draft, now) as archive:
        archive.add(DATABASE, copied)
        for key in keys if place.files is not None else ():
            assert place.files is not None
            if _intact(place.files / key, key):
                archive.add(FILES + key, place.files / key)
            else:
                missing.append(key)
        manifest = Manifest(
            format=FORMAT,
            firstline=__version__,
            schema_version=revision,
            made_at=now,
            members=archive.members,
            missing=tuple(missing),
            elsewhere=place.elsewhere,
        )
        archive.close(manifest)
    return manifest


def restore(archive: Path, place: Place, now: datetime, *, gap: int = GAP) -> tuple[Manifest, int]:
    """Put a backup where nothing is yet, in the newest version of the schema; with it the number that the next ticket gets.

    ``gap`` ticket numbers are left out. Raises ArchiveError, DatabaseError; then nothing is there as before.
    """
    _refuse_to_overwrite(place)
    try:
        place.database.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.database.parent, prefix=".restoring-") as name:
            aside = Path(name)
            manifest = unpack(archive, aside)
            revision, _ = copies.inspected(aside / DATABASE)
            if not migrate.known(revision):
                raise ArchiveError(
                    f"{archive} has a database of version {revision}, made by Firstline {manifest.firstline}, which this "
                    "program does not know: install that one or a newer one."
                )
            next_ticket = asyncio.run(_made_ready((aside / DATABASE).resolve(), manifest, now, gap))
            if manifest.files and place.files is None:
                raise ArchiveError(f"{archive} holds files: restore it with FIRSTLINE_FILES set to a folder.")
            _refuse_to_overwrite(place)
            try:
                if manifest.files and place.files is not None:
                    _moved(aside / FILES, place.files)
                _sync(aside / DATABASE)
                (aside / DATABASE).replace(place.database)  # last: where it is, everything is
            except BaseException:
                if place.files is not None:
                    shutil.rmtree(place.files, ignore_errors=True)  # there was nothing in it
                raise
            _sync(place.database.parent)
    except FileNotFoundError as error:
        raise ArchiveError(f"There is no {error.filename}.") from error
    except OSError as error:
        raise ArchiveError(f"{archive} cannot be restored: {error.strerror or error}.") from error
    return manifest, next_ticket


def _refuse_to_overwrite(place: Place) -> None:
    if place.database.exists():
        raise ArchiveError(
            f"There is a database already: {place.database}. Restore into an empty folder (FIRSTLINE_DATA), or move it away."
        )
    if place.files is not None and place.files.is_dir() and {*place.files.iterdir()} - {place.files / UNFINISHED}:
        raise ArchiveError(f"There are files already: {place.files}. Move the folder away, or set FIRSTLINE_FILES.")


async def _made_ready(database: Path, manifest: Manifest, now: datetime, gap: int) -> int:
    """Brought up to this program's schema and safe to go on from. Raises DatabaseError."""
    opened = Database(f"sqlite:///{database}")
    try:
        await migrate.upgrade(opened)
        async with opened.writing() as connection:
            return await copies.go_on_from(connection, manifest.made_at, now, gap=gap)
    finally:
        await opened.close()


def _moved(source: Path, target: Path) -> None:
    """Rename what can be renamed; a folder on another disk gets a copy beside its place first."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in sorted(source.iterdir()):
        (target / folder.name).mkdir(mode=0o700)
        for file in folder.iterdir():
            place = target / folder.name / file.name
            try:
                file.replace(place)
            except OSError:
                place.write_bytes(file.read_bytes())
                place.chmod(0o600)
            _sync(place)
        _sync(target / folder.name)
    _sync(target)


def _intact(path: Path, key: str) -> bool:
    """Whether the file is there and is what its key says."""
    if not KEY.fullmatch(key) or not path.is_file():
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return key.endswith(digest.hexdigest())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
