"""What a member of staff wants done: read from a pressed button or from a typed command, in German or English. Pure.

It must not know how it is done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.model import Category, Priority

Verb = Literal[
    "take",
    "hand_back",
    "resolve",
    "close",
    "reopen",
    "undo",
    "reply",
    "ask",
    "note",
    "assign",
    "priority",
    "category",
    "canned",
    "progress",
    "link",
    "merge",
    "release",
    "menu",
    "as_reply",
    "as_note",
    "away",
    "here",
    "tickets",
    "help",
]

_WORDS: Mapping[Verb, tuple[str, ...]] = {
    "take": ("take", "uebernehmen", "meins", "mine"),
    "hand_back": ("handback", "hand-back", "back", "zurueck", "zurueckgeben", "bot"),
    "resolve": ("resolve", "resolved", "solved", "done", "geloest", "erledigt"),
    "close": ("close", "schliessen"),
    "reopen": ("reopen", "wiederoeffnen", "oeffnen"),
    "undo": ("undo", "zurueckholen", "rueckgaengig"),
    "reply": ("reply", "answer", "antwort", "antworten"),
    "ask": ("ask", "frage", "rueckfrage"),
    "note": ("note", "notiz", "intern"),
    "assign": ("assign", "zuweisen", "an"),
    "priority": ("priority", "prio", "prioritaet"),
    "category": ("category", "kategorie"),
    "canned": ("canned", "vorlage", "prepared"),
    "progress": ("progress", "stand"),
    "link": ("link", "folgt", "follows"),
    "merge": ("merge", "zusammenfuehren"),
    "release": ("release", "freigeben"),
    "menu": ("menu", "menue", "more", "mehr"),
    "away": ("away", "weg", "abwesend"),
    "here": ("here", "da", "anwesend"),
    "tickets": ("tickets", "liste", "list", "offen", "open"),
    "help": ("help", "hilfe", "?"),
}
_VERBS = {word: verb for verb, words in _WORDS.items() for word in words}
_PRIORITIES = {
    "low": Priority.LOW,
    "niedrig": Priority.LOW,
    "normal": Priority.NORMAL,
    "high": Priority.HIGH,
    "hoch": Priority.HIGH,
    "dringend": Priority.HIGH,
    "urgent": Priority.HIGH,
}
_COMMAND = re.compile(r"\s*[/!]([^\W\d_][\w-]*|\?)(?:@\w+)?(?:\s+(.*))?", re.DOTALL)
WRITTEN = "="
"""At the end of an action: its words are the text of the message, for they may be long, and are not to stand in any log."""
_ACTION = re.compile(r"staff:([a-z_]+):([^:]+)(?::(.+))?")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


@dataclass(frozen=True, slots=True)
class Order:
    """``about`` is the ticket's number, or the id of the message that was asked about; empty: the thread's own ticket."""

    verb: Verb
    about: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It was meant as a command, and there is none of this name: so it is not for the customer either."""

    word: str


def pressed(action: str, text: str = "") -> Order | None:
    """The order behind a button or a field of a form, into which ``text`` was written; None when it is none of staff's."""
    match = _ACTION.fullmatch(action)
    if match is None or match[1] not in _WORDS.keys() | {"as_reply", "as_note"}:
        return None
    words = text.strip() if match[3] == WRITTEN else match[3] or ""
    return Order(match[1], match[2], words)  # type: ignore[arg-type]  # it is one of the verbs


def typed(text: str) -> Order | Unknown | None:
    """The command at the beginning of a text, with / or ! in front; None when it is none."""
    match = _COMMAND.fullmatch(text)
    if match is None:
        return None
    verb = _VERBS.get(match[1].casefold().translate(_UMLAUTS))
    if verb is None:
        return Unknown(match[1])
    return Order(verb, "", (match[2] or "").strip())


def priority(word: str) -> Priority | None:
    return _PRIORITIES.get(word.strip().casefold())


def category(word: str) -> Category | None:
    """By its full name, or by what stands behind the dot where that is enough."""
    wanted = word.strip().casefold()
    found = [c for c in Category if c.value == wanted or c.value.rpartition(".")[2] == wanted]
    return found[0] if len(found) == 1 else None


def number(text: str) -> int | None:
    """The number of a ticket that somebody has written."""
    match = re.fullmatch(r"\s*(?:HD[-\s]?)?0*(\d{1,12})\s*", text, re.IGNORECASE)
    return int(match[1]) if match else None


def commands() -> Mapping[Verb, str]:
    """Of each command the word by which it is known first, in the order in which they are shown."""
    return {verb: words[0] for verb, words in _WORDS.items() if verb != "menu"}
