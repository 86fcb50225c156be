"""Makes names harmless: those of files for file systems and shells, and all of them for the eye of whoever reads.

It must not know where files come from or go, nor who bears a name.
"""

from __future__ import annotations

import mimetypes
import re
import unicodedata

LONGEST = 255
"""Bytes in UTF-8: what common file systems take."""
NAMELESS = "file"

_FORBIDDEN = re.compile(r'[<>:"|?*%;]')
"""By Windows; a percent sign begins variables and escapes, a semicolon the next command, or parameter of a header."""
_RESERVED = re.compile(
    r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)"
)  # by Windows, with any suffix
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
"""Control and format characters (among them those that turn the direction of writing), and what is no character at all."""
_JOINERS = "\u200c\u200d"
"""Parts of emoji, and of words in Persian or Hindi."""


def harmless(name: str, media_type: str | None = None) -> str:
    """The last part of ``name`` without anything dangerous, at most 255 bytes, never empty. Idempotent.

    A name without a suffix gets the usual one of ``media_type``, so that whoever saves the file can open it.
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rstrip("/ ").rpartition("/")[2])
    seen = "".join(" " if c.isspace() else c for c in name if c.isspace() or not _unseen(c))
    name = _trimmed(_FORBIDDEN.sub("_", seen)) or NAMELESS
    if "." not in name and media_type and media_type != "application/octet-stream":
        name += mimetypes.guess_extension(media_type) or ""
    if _RESERVED.match(name):
        name = f"_{name}"
    return _trimmed(_cut(name))


def one_line(text: str) -> str:
    """A name or a title without line breaks, and without what cannot be seen or turns the direction of writing. Idempotent."""
    kept = (" " if c.isspace() else c for c in text if c.isspace() or c in _JOINERS or not _unseen(c))
    return " ".join("".join(kept).split())


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN


def suffix(name: str) -> str:
    """What stands behind the last dot, in small letters; empty if nothing does."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def _trimmed(name: str) -> str:
    """Without a beginning that hides a file or reads as an option, and without an end that Windows drops."""
    return " ".join(name.split()).lstrip(" .-~").rstrip(" .")


def _cut(name: str) -> str:
    if len(name.encode()) <= LONGEST:
        return name
    stem, dot, end = name.rpartition(".")
    if not dot or len(end.encode()) > 20:
        stem, dot, end = name, "", ""
    room = LONGEST - len((dot + end).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + end
