"""Whatever a sender calls a file: its name cannot do harm, and still says what it said."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.files.names import LONGEST, harmless, suffix

HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from("/\\.:- ~\0\n\r\t\"'<>|?*%$\u202e\u2066\u200b\ufeff\ud800\u00a0\u2028"),
    ),
    max_size=400,
)
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{d}{n}" for d in ("COM", "LPT") for n in "0123456789¹²³"
}


@given(HOSTILE)
@example("../../etc/passwd")
@example("C:\\Windows\\system32\\con.txt")
@example("nul")
@example("..")
@example("")
@example("a" * 300 + ".tar.gz")
@example("ü" * 200 + ".jpeg")
@example("invoice\u202egpj.exe")
@example("-rf")
@example("." * 300)
@example("x" * 254 + " .")
@example("CON" + " " * 300 + ".txt")
@example("\u0958" * 90)  # grows when it is composed
def test_a_name_is_one_harmless_name_whatever_was_sent(name: str) -> None:
    found = harmless(name)
    assert found
    assert len(found.encode()) <= LONGEST
    assert PurePosixPath(found).name == PureWindowsPath(found).name == found
    assert not {c for c in found if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}
    assert not set(found) & set('/\\:*?"<>|%')
    assert found.strip(" ") == found
    assert found[0] not in ".-~"
    assert found[-1] != "."
    assert found.partition(".")[0].rstrip().upper() not in RESERVED
    assert harmless(found) == found


@given(HOSTILE)
def test_every_file_system_takes_it(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("names")
    (folder / harmless(name)).write_bytes(b"x")
    assert len(list(folder.iterdir())) == 1
    assert list(Path(folder).rglob("*")) == list(folder.iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Bericht März.pdf", "Bericht März.pdf"),
        ("Bildschirmfoto 2026-03-02 um 09.14.55.png", "Bildschirmfoto 2026-03-02 um 09.14.55.png"),
        ("請求書.xlsx", "請求書.xlsx"),
        ("/tmp/a/b.log", "b.log"),
        ("C:\\Users\\ada\\Fehler.log", "Fehler.log"),
        ("con.txt", "_con.txt"),
        ("console.txt", "console.txt"),
        (".htaccess", "htaccess"),
        ("rechnung\u202efdp.exe", "rechnungfdp.exe"),
        ("a\nb.txt", "a b.txt"),
        ("", "file"),
        ("///", "file"),
    ],
)
def test_what_is_harmless_stays_readable(name: str, expected: str) -> None:
    assert harmless(name) == expected


def test_a_long_name_keeps_its_ending() -> None:
    assert harmless("ä" * 200 + ".docx").endswith("ä.docx")


def test_a_name_without_ending_gets_the_one_of_its_kind_and_no_other() -> None:
    assert harmless("F0123", "image/png") == "F0123.png"
    assert harmless("F0123", "application/octet-stream") == "F0123"
    assert harmless("a.log", "image/png") == "a.log"


def test_an_ending_is_what_stands_behind_the_last_dot() -> None:
    assert (suffix("a.tar.GZ"), suffix("a"), suffix("Bild.PNG.exe")) == ("gz", "", "exe")
