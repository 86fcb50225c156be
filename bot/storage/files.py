"""Files in a folder of this machine: written aside, brought to the disk, then renamed, so that a key never leads to half a file.

It must not know whose they are or what is in them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

from bot.errors import FileGoneError, FilesError

PIECE = 1 << 16
KEY = re.compile(r"[A-Za-z0-9-]{1,60}/[0-9a-f]{64}")
UNFINISHED = ".unfinished"
FORGOTTEN_AFTER = 24 * 3600.0
"""Seconds after which a half-written file has certainly lost its writer."""


class Folder:
    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def __repr__(self) -> str:
        return str(self._root)

    async def put(self, folder: str, chunks: AsyncIterator[bytes]) -> str:
        digest, aside = hashlib.sha256(), self._root / UNFINISHED / str(uuid4())
        with _translated():
            file = await asyncio.to_thread(_create, aside)
        try:
            with file:
                async for chunk in chunks:
                    digest.update(chunk)
                    with _translated():
                        await asyncio.to_thread(_write, file, chunk)
                with _translated():
                    await asyncio.to_thread(os.fsync, file.fileno())
            key = f"{folder}/{digest.hexdigest()}"
            with _translated():
                await asyncio.to_thread(_settle, aside, self._path(key))
            return key
        finally:
            await asyncio.shield(asyncio.to_thread(aside.unlink, missing_ok=True))

    async def open(self, key: str) -> AsyncGenerator[bytes, None]:
        with _translated(key):
            file = await asyncio.to_thread(self._path(key).open, "rb")
        try:
            while True:
                with _translated(key):
                    piece = await asyncio.to_thread(file.read, PIECE)
                if not piece:
                    return
                yield piece
        finally:
            file.close()

    async def remove(self, key: str) -> None:
        with _translated():
            await asyncio.to_thread(_remove, self._path(key))

    def sweep(self) -> None:
        """Remove what a process that died has left half-written."""
        with _translated():
            for file in (self._root / UNFINISHED).glob("*"):
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - file.stat().st_mtime > FORGOTTEN_AFTER:
                        file.unlink()

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise FilesError(f"{key!r} is no key of a file.")
        return self._root / key


def _create(path: Path) -> io.FileIO:
    """Unbuffered: nothing is left to be written, and to fail, when it is closed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return io.FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _write(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _settle(aside: Path, path: Path) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    aside.replace(path)
    for folder in (path.parent, path.parent.parent):  # a name is durable only with its folder
        _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync(path.parent)
    with contextlib.suppress(OSError):  # it is not the last one
        path.parent.rmdir()


@contextlib.contextmanager
def _translated(key: str = "") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise (FileGoneError(f"The file {key} is gone.") if key else _unusable(error)) from error
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> FilesError:
    return FilesError(f"Files cannot be kept: {error.strerror or error!r}")
