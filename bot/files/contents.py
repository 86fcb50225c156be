"""Looks at a file's bytes as they go by: how many there are, what they seem to be, and whether they could do harm.

Nothing is ever unpacked, so a bomb stays shut; what an archive holds shows only where its list of names stands readable. It must
not know where the bytes come from or go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import puremagic

from bot.errors import FirstlineError
from bot.files.names import suffix

HEAD = 8192
"""Bytes from the beginning that are kept to be looked at."""


class Danger(StrEnum):
    """Why a person has to decide before a file is passed on."""

    EXECUTABLE = "executable"
    SCRIPT = "script"
    MACROS = "macros"


class RefusedError(FirstlineError):
    """The file is not taken."""

    def __init__(self, reason: Literal["too_large", "empty"]) -> None:
        super().__init__(f"The file is {reason.replace('_', ' ')}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Finding:
    """``size`` is in bytes; ``media_type`` is what the content shows, None if it shows nothing."""

    size: int
    media_type: str | None
    danger: Danger | None


class Inspector:
    """Fed with all bytes of one file, in order; takes at most ``most`` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._head = b""
        self._tail = b""
        self._marks: set[bytes] = set()

    def feed(self, chunk: bytes) -> None:
        """Raises RefusedError as soon as the file is too large."""
        self._size += len(chunk)
        if self._size > self._most:
            raise RefusedError("too_large")
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        window = self._tail + chunk
        self._marks |= {mark for mark in _MARKS if mark not in self._marks and mark in window}
        self._tail = window[-_OVERLAP:]

    async def passing(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """``chunks`` as they are, each looked at. Raises RefusedError as ``feed`` does, and at the end when nothing has come."""
        async for chunk in chunks:
            self.feed(chunk)
            yield chunk
        if not self._size:
            raise RefusedError("empty")

    def finding(self, name: str, told: str) -> Finding:
        """What there is to say about the file ``name``, of which its sender says that it is of the media type ``told``."""
        return Finding(self._size, _media_type(self._head, told), self._danger(suffix(name), told))

    def _danger(self, ending: str, told: str) -> Danger | None:
        head, start = self._head, self._head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        marked = {kind for mark in self._marks for container, kind in [_MARKS[mark]] if head.startswith(container)}
        if ending in _EXECUTABLE or head.startswith(_PROGRAMS) or Danger.EXECUTABLE in marked:
            return Danger.EXECUTABLE
        markup = start.startswith(b"<") and any(tag in head.lower() for tag in _ACTIVE)
        if ending in _SCRIPT or start.startswith(b"#!") or markup or told in _ACTIVE_TYPES or Danger.SCRIPT in marked:
            return Danger.SCRIPT
        if ending in _MACROS or Danger.MACROS in marked:
            return Danger.MACROS
        return None


def _media_type(head: bytes, told: str) -> str | None:
    """What is told where the content may well be that, for many formats share their beginnings; else what fits best."""
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return "text/plain" if _is_text(head) else None
    types = [match.mime_type for match in found if match.mime_type]
    if told in types:
        return told
    for start, kind, may_be in _CONTAINERS:
        if head.startswith(start):
            return told if told.startswith(may_be) else kind
    return next(iter(types), None)


def _is_text(head: bytes) -> bool:
    try:
        head[:-4].decode()  # the last character may be cut in two
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


_ZIP, _OLE, _PDF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF"

# What these are shows only inside, so whoever says one of the types that they may be is believed.
_CONTAINERS = (
    (_ZIP, "application/zip", ("application/vnd.openxmlformats-", "application/vnd.oasis.", "application/vnd.ms-")),
    (_OLE, "application/x-ole-storage", ("application/msword", "application/vnd.ms-")),
)

# Names and words that stand readable in the file, in which kind of file they mean something, and what they mean there.
_MARKS: dict[bytes, tuple[bytes, Danger]] = {
    b"vbaProject.bin": (_ZIP, Danger.MACROS),
    b"xl/macrosheets/": (_ZIP, Danger.MACROS),
    b"Basic/script-lb.xml": (_ZIP, Danger.MACROS),
    "_VBA_PROJECT".encode("utf-16-le"): (_OLE, Danger.MACROS),
    b"META-INF/MANIFEST.MF": (_ZIP, Danger.EXECUTABLE),
    b"/JavaScript": (_PDF, Danger.SCRIPT),
    b"/Launch": (_PDF, Danger.SCRIPT),
}
_OVERLAP = max(map(len, _MARKS)) - 1

_PROGRAMS = (
    b"MZ",
    b"\x7fELF",
    b"\xca\xfe\xba\xbe",  # Java class, or Mach-O for several processors
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"L\x00\x00\x00\x01\x14\x02\x00",  # a Windows shortcut
    b"dex\n",
    b"\x00asm",
)
_ACTIVE = (b"<html", b"<svg", b"<script", b"<!doctype html", b"<hta:", b"<job", b"<package", b"<scriptlet")
_ACTIVE_TYPES = {"text/html", "application/xhtml+xml", "image/svg+xml", "text/javascript", "application/javascript"}


def _endings(*lines: str) -> frozenset[str]:
    return frozenset(ending for line in lines for ending in line.split())


_EXECUTABLE = _endings(
    "apk app appimage appx appxbundle cab com cpl deb dll dmg exe gadget img inf iso jar lnk mpkg msi msix msixbundle msp",
    "mst ocx pif pkg rdp reg rpm run scf scr sys url vhd vhdx vxd webloc xbap xll",
)
_SCRIPT = _endings(
    "ahk applescript asp aspx bas bash bat chm cmd command csh desktop fish hlp hta htm html jnlp js jse jsp ksh lua mht mhtml",
    "mjs msc ps1 ps1xml ps2 psc1 psd1 psm1 php pl py pyc pyw rb sct search-ms settingcontent-ms sh shb shs svg svgz swf tcl",
    "vb vbe vbs workflow ws wsc wsf wsh xht xhtm xhtml zsh",
)
_MACROS = _endings(
    "accda accdb accde accdr ade adp docm dotm mda mdb mde mdw potm ppam ppsm pptm sldm xla xlam xlm xlsb xlsm xltm"
)
