"""Files in an object store, such as S3, through fsspec: for machines that come and go, or several that share them.

An object appears whole or not at all, so that a file is gathered on this machine's disk first, which also gives it its key. Access
data are those of the store's own environment variables. It must not know whose files they are or what is in them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import IO, Any, cast

import fsspec

from bot.errors import FileGoneError, FilesError
from bot.storage.files import KEY

PIECE = 1 << 20
S3 = ("s3", "s3a")


class Objects:
    def __init__(self, url: str) -> None:
        """``url`` as fsspec takes it, such as ``s3://bucket/folder``. Raises FilesError when it cannot be understood."""
        options = _staying(url)
        with _translated():
            # Somebody else may have changed anything meanwhile, so nothing is remembered.
            found = fsspec.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **options)
        self._store, self._root = cast("tuple[Any, str]", found)

    async def put(self, folder: str, chunks: AsyncIterator[bytes]) -> str:
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile() as gathered:
            async for chunk in chunks:
                digest.update(chunk)
                with _translated():
                    await asyncio.to_thread(gathered.write, chunk)
            key = f"{folder}/{digest.hexdigest()}"
            with _translated():
                await asyncio.to_thread(gathered.flush)
                await asyncio.to_thread(self._store.put_file, gathered.name, self._path(key))
        return key

    async def open(self, key: str) -> AsyncGenerator[bytes, None]:
        path = self._path(key)
        with _translated(key):
            file = cast("IO[bytes]", await asyncio.to_thread(self._store.open, path, "rb"))
        try:
            while True:
                with _translated(key):
                    piece = await asyncio.to_thread(file.read, PIECE)
                if not piece:
                    return
                yield piece
        finally:
            await asyncio.to_thread(file.close)

    async def remove(self, key: str) -> None:
        path = self._path(key)
        with contextlib.suppress(FileGoneError), _translated(key):
            await asyncio.to_thread(self._store.rm_file, path)

    def _path(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise FilesError(f"{key!r} is no key of a file.")
        return f"{self._root.rstrip('/')}/{key}"


def _staying(url: str) -> dict[str, dict[str, Any]]:
    """What each file system of S3 that ``url`` names is made with, so that it follows no redirection."""
    named = [protocol for protocol in S3 if f"{protocol}://" in url]
    if not named:
        return {}
    from bot.storage.staying import StayingSession

    return {protocol: {"config_kwargs": {"http_session_cls": StayingSession}} for protocol in named}


@contextlib.contextmanager
def _translated(key: str = "") -> Iterator[None]:
    """Every store has errors of its own; all of them mean that it cannot be used just now."""
    try:
        yield
    except FilesError:
        raise
    except FileNotFoundError as error:
        raise (FileGoneError(f"The file {key} is gone.") if key else _unusable(error)) from error
    except Exception as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> FilesError:
    return FilesError(f"Files cannot be kept: {type(error).__name__}: {error}")
