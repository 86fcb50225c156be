"""Files in an object store: what holds for the folder holds for S3 too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.bootstrap import open_files
from bot.config import Settings
from bot.errors import DeliveryError, FileGoneError, FilesError
from bot.ports import Files
from bot.storage.objects import Objects
from tests.integration.test_file_folder import content, pieces
from tests.loopback.s3 import LoopbackS3, point_to


@pytest.fixture
async def s3(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LoopbackS3]:
    async with LoopbackS3().serve() as server:
        point_to(server.url, monkeypatch)
        yield server


@pytest.fixture
def files(s3: LoopbackS3, tmp_path: Path) -> Files:
    return open_files(Settings(data=tmp_path, files=f"s3://{s3.bucket}/firstline"))


async def test_what_is_put_can_be_opened_and_removed(files: Files, s3: LoopbackS3) -> None:
    assert isinstance(files, Objects)
    whole = b"ERROR 17\n" * 300_000
    key = await files.put("c1", pieces(whole[:1_000_000], whole[1_000_000:]))
    assert s3.objects == {f"firstline/{key}": whole}
    assert await content(files, key) == whole
    assert await files.put("c1", pieces(whole)) == key
    await files.remove(key)
    await files.remove(key)
    assert s3.objects == {}
    with pytest.raises(FileGoneError, match=key):
        await content(files, key)


async def test_nothing_is_put_of_what_breaks_off(files: Files, s3: LoopbackS3) -> None:
    with pytest.raises(DeliveryError):
        await files.put("c1", pieces(b"half", fault=DeliveryError("the line went dead")))
    assert s3.objects == {}


async def test_a_store_that_is_down_is_an_error_of_the_store(files: Files, s3: LoopbackS3) -> None:
    key = await files.put("c1", pieces(b"x"))
    s3.down = True
    with pytest.raises(FilesError) as caught:
        await content(files, key)
    assert not isinstance(caught.value, FileGoneError)
    with pytest.raises(FilesError):
        await files.put("c1", pieces(b"y"))
    s3.down = False
    assert await content(files, key) == b"x"


async def test_access_that_is_refused_and_a_bucket_that_is_not_there_are_errors_of_the_store(
    s3: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FilesError):
        await Objects("s3://elsewhere/firstline").put("c1", pieces(b"x"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    with pytest.raises(FilesError):
        await Objects(f"s3://{s3.bucket}/firstline").put("c1", pieces(b"x"))


def test_an_address_that_nobody_understands_is_told_at_start(tmp_path: Path) -> None:
    with pytest.raises(FilesError, match="nowhere"):
        open_files(Settings(data=tmp_path, files="nowhere://bucket"))
