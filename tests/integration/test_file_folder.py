"""Files in a folder: whole or not at all, under keys that follow from what is in them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import DeliveryError, FileGoneError, FilesError
from bot.ports import Files
from bot.storage.files import FORGOTTEN_AFTER, UNFINISHED, Folder


async def pieces(*chunks: bytes, fault: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if fault is not None:
        raise fault


async def content(files: Files, key: str) -> bytes:
    return b"".join([piece async for piece in files.open(key)])


def everything(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def files(root: Path) -> Files:
    return Folder(root)


async def test_what_is_put_can_be_opened_under_the_hash_of_its_content(files: Files) -> None:
    key = await files.put("c1", pieces(b"Feh", b"", b"ler" * 50_000))
    whole = b"Feh" + b"ler" * 50_000
    assert key == f"c1/{hashlib.sha256(whole).hexdigest()}"
    assert await content(files, key) == whole


async def test_the_same_content_twice_is_one_file_in_each_folder(files: Files, root: Path) -> None:
    keys = [await files.put(folder, pieces(b"x")) for folder in ("c1", "c1", "c2")]
    assert keys[0] == keys[1] != keys[2]
    assert len(everything(root)) == 2


async def test_nothing_stays_of_what_breaks_off(files: Files, root: Path) -> None:
    with pytest.raises(DeliveryError):
        await files.put("c1", pieces(b"half", fault=DeliveryError("the line went dead")))
    assert everything(root) == []


async def test_nothing_stays_of_what_is_cancelled(files: Files, root: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"half"
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(files.put("c1", endless()))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert everything(root) == []


async def test_a_full_disk_is_an_error_of_the_store_and_leaves_nothing_behind(files: Files, root: Path) -> None:
    """The operating system itself refuses to write more, as it does when the disk is full."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(FilesError, match="cannot be kept"):
            await files.put("c1", pieces(*[bytes(30_000)] * 5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert everything(root) == []
    await files.put("c1", pieces(bytes(150_000)))


async def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FilesError):
        await Folder(tmp_path / "file").put("c1", pieces(b"x"))


async def test_a_file_that_is_gone_says_so_and_can_be_removed_again(files: Files) -> None:
    key = await files.put("c1", pieces(b"x"))
    await files.remove(key)
    await files.remove(key)
    with pytest.raises(FileGoneError, match=key):
        await content(files, key)


async def test_an_emptied_folder_is_removed_and_can_be_used_again(files: Files, root: Path) -> None:
    await files.remove(await files.put("c1", pieces(b"x")))
    assert not (root / "c1").exists()
    await files.put("c1", pieces(b"x"))


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "c1/../../x", "x", "a/b/c"])
async def test_a_key_never_leads_out_of_the_folder(files: Files, key: str) -> None:
    for act in (content(files, key), files.remove(key)):
        with pytest.raises(FilesError, match="no key"):
            await act


async def test_nobody_else_on_the_machine_can_read_it(files: Files, root: Path) -> None:
    key = await files.put("c1", pieces(b"x"))
    assert stat.S_IMODE((root / key).stat().st_mode) == 0o600
    assert stat.S_IMODE((root / key).parent.stat().st_mode) == 0o700


async def test_what_a_dead_process_left_half_written_is_swept_away_after_a_day(root: Path) -> None:
    old, new = root / UNFINISHED / "old", root / UNFINISHED / "new"
    old.parent.mkdir(parents=True)
    for file in (old, new):
        file.write_bytes(b"half")
    past = old.stat().st_mtime - FORGOTTEN_AFTER - 1
    os.utime(old, (past, past))
    Folder(root).sweep()
    assert everything(root) == [new]
