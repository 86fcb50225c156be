"""For whom a staff member's plain text in a ticket's thread is: the customer, or staff. Pure.

In doubt it is asked, and nothing leaves meanwhile. It must not know any chat platform.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.model import Person

_NOTE = re.compile(r"^\s*(?://+|(?:note|notiz|intern|internal)\s*:)\s*", re.IGNORECASE)
_BARE = re.compile(r"^\s*(?:note|notiz)\b[\s,.-]*", re.IGNORECASE)


_CALLS = re.compile(r"^\s*@\w")


class Reading(StrEnum):
    REPLY = "reply"
    NOTE = "note"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Heard:
    """``text`` is without the mark that makes it a note."""

    reading: Reading
    text: str


def heard(text: str, author: Person, owner: Person | None) -> Heard:
    """The owner's text is a reply, anybody else's a note; where nobody owns the ticket it is asked. A marked note is one always.

    The mark is ``//`` or ``note:`` (notiz, intern, internal) at the beginning; the bare word ``note`` counts as well, since a note
    that is sent is worse than a reply that is not. Words that begin with ``@somebody`` call a colleague, as a rule: it is asked.
    """
    if mark := _NOTE.match(text) or _BARE.match(text):
        return Heard(Reading.NOTE, text[mark.end() :].strip() or text.strip())
    if owner is not None and owner.id != author.id:
        return Heard(Reading.NOTE, text)
    return Heard(Reading.ASK if owner is None or _CALLS.match(text) else Reading.REPLY, text)
