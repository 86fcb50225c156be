"""What a file is and whether it could do harm, told from its bytes without ever opening it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.files.contents import Danger, Finding, Inspector, RefusedError

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(50)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def archive(entries: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return file.getvalue()


def inspected(
    content: bytes, name: str = "datei", told: str = "application/octet-stream", piece: int = 1000
) -> Finding:
    inspector = Inspector(10_000_000)
    for start in range(0, len(content), piece):
        inspector.feed(content[start : start + piece])
    return inspector.finding(name, told)


@pytest.mark.parametrize(
    ("content", "told", "found"),
    [
        (PNG, "image/png", "image/png"),
        (PNG, "application/pdf", "image/png"),
        (b"%PDF-1.7\n" + bytes(99), "application/pdf", "application/pdf"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(99), "image/jpeg", "image/jpeg"),
        (b"OggS\x00\x02" + bytes(22) + b"\x01\x1eOpusHead", "audio/ogg", "audio/ogg"),
        (archive({"[Content_Types].xml": b"", "word/document.xml": b""}), DOCX, DOCX),
        (archive({"fehler.log": b"x"}), "application/zip", "application/zip"),
        (archive({"fehler.log": b"x"}), "application/x-zip-compressed", "application/zip"),
        (OLE, "application/vnd.ms-excel", "application/vnd.ms-excel"),
        (OLE, "application/octet-stream", "application/x-ole-storage"),
        ("2026-03-02 ERROR Überlauf".encode(), "text/plain", "text/plain"),
        (bytes(range(1, 256)), "text/plain", None),
    ],
    ids=[
        "png",
        "png-called-pdf",
        "pdf",
        "jpeg",
        "voice",
        "docx",
        "zip",
        "windows-zip",
        "xls",
        "ole",
        "log",
        "nothing-known",
    ],
)
def test_the_content_says_what_it_is(content: bytes, told: str, found: str | None) -> None:
    finding = inspected(content, told=told)
    assert (finding.media_type, finding.size, finding.danger) == (found, len(content), None)


@pytest.mark.parametrize(
    ("content", "name", "danger"),
    [
        (b"MZ\x90\x00" + bytes(99), "Bericht.pdf", Danger.EXECUTABLE),
        (b"\x7fELF\x02\x01\x01" + bytes(99), "a", Danger.EXECUTABLE),
        (b"L\x00\x00\x00\x01\x14\x02\x00" + bytes(99), "Ordner", Danger.EXECUTABLE),
        (archive({"META-INF/MANIFEST.MF": b"", "A.class": b""}), "a.zip", Danger.EXECUTABLE),
        (b"harmlos", "setup.MSI", Danger.EXECUTABLE),
        (b"#!/bin/sh\nrm -rf /", "notiz.txt", Danger.SCRIPT),
        (b"@echo off", "start.bat", Danger.SCRIPT),
        (b"\xef\xbb\xbf  <!DOCTYPE html><script>", "seite.txt", Danger.SCRIPT),
        (b'<?xml version="1.0"?><svg onload="x()">', "bild", Danger.SCRIPT),
        (b"%PDF-1.7\n" + bytes(5000) + b"/OpenAction << /S /JavaScript >>", "a.pdf", Danger.SCRIPT),
        (archive({"xl/workbook.xml": b"", "xl/vbaProject.bin": b"x" * 99}), "liste.xlsx", Danger.MACROS),
        (OLE + "_VBA_PROJECT".encode("utf-16-le") + bytes(9), "brief.doc", Danger.MACROS),
        (archive({"Basic/script-lb.xml": b""}), "liste.ods", Danger.MACROS),
        (b"PK\x03\x04", "liste.xlsm", Danger.MACROS),
    ],
)
def test_what_can_do_harm_is_marked_whatever_it_is_called(content: bytes, name: str, danger: Danger) -> None:
    assert inspected(content, name).danger is danger


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"2026-03-02 GET /index.html <html> 200", "access.log"),
        (b'<?xml version="1.0"?><config><a/></config>', "config.xml"),
        (b"vbaProject.bin fehlt in der Datei", "frage.txt"),
        (OLE, "brief.doc"),
        (archive({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "liste.xlsx"),
        (archive({"fehler.log": b"x"}), "logs.zip"),
    ],
)
def test_what_customers_send_every_day_is_not_marked(content: bytes, name: str) -> None:
    assert inspected(content, name).danger is None


@given(st.integers(1, 40), st.integers(0, 60))
def test_a_mark_is_found_wherever_the_pieces_part(piece: int, ahead: int) -> None:
    content = b"PK\x03\x04" + bytes(ahead) + b"xl/vbaProject.bin" + bytes(20)
    assert inspected(content, "a.xlsx", piece=piece).danger is Danger.MACROS


def test_a_bomb_stays_shut() -> None:
    """Ten million zeros in ten thousand bytes: what counts is what arrives."""
    bomb = archive({f"{n}.txt": bytes(1_000_000) for n in range(10)})
    assert inspected(bomb, "bombe.zip").size == len(bomb) < 20_000


@given(st.binary(max_size=500), st.text(max_size=20), st.text(max_size=20))
def test_no_content_breaks_it(content: bytes, name: str, told: str) -> None:
    finding = inspected(content, name, told)
    assert finding.size == len(content)


def test_what_is_too_large_is_refused_before_all_of_it_has_come() -> None:
    inspector = Inspector(10)
    inspector.feed(bytes(10))
    with pytest.raises(RefusedError, match="too large"):
        inspector.feed(b"x")


async def test_an_empty_file_is_refused() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        pieces: tuple[bytes, ...] = ()
        for piece in pieces:
            yield piece

    with pytest.raises(RefusedError, match="empty"):
        _ = [piece async for piece in Inspector(10).passing(nothing())]
