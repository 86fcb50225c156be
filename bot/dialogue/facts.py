"""Reads out of the customer's words what a supporter needs: error text, since when, how many, where. Nothing is guessed.

A fact is always a piece of what the customer wrote, word for word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_LENGTH = 300

_QUOTED = re.compile(r"[\"'„“”‚‘’»«`]([^\"'„“”‚‘’»«`\n]{4,200})[\"'“”‘’«»`]")
_CODE = re.compile(
    r"\b(?:(?:HTTP|Fehler|Error|Code|Fehlercode|Fehlernummer|Meldung|Status)[\s:#-]*)?"
    r"(?:[A-Z]{1,6}[-_ ]?\d{2,6}\b|0x[0-9A-Fa-f]{4,8}\b|\b[45]\d\d\b(?=\D|$)|[A-Za-z]+(?:Exception|Error)\b(?::[^\n]{0,120})?)"
)
_TICKET = re.compile(r"\bHD[-\s]?\d+\b", re.IGNORECASE)
_SINCE = re.compile(
    r"\b(?:seit|since|ab|nach dem|after the|ever since)\s+(?:dem |der |heute |gestern |letzte[rnm]? |dieser |the |this |last )?"
    r"[\wäöüß.:/-]+(?:\s+(?:früh|morgen|mittag|abend|nachmittag|uhr|update|patch|morning|noon|night|week|am|pm|tagen|wochen|stunden|days|"
    r"weeks|hours|minuten|minutes)\b)?"
    r"|\b(?:gestern|heute früh|heute morgen|yesterday|this morning)\b",
    re.IGNORECASE,
)
_AFFECTED = re.compile(
    r"\b(?:alle[nr]?(?:\s+(?:kollegen|kolleginnen|benutzer\w*|mitarbeiter\w*|nutzer\w*|anwender\w*|standorte\w*))?|jede[rnm]?\s+(?:benutzer|nutzer|mitarbeiter)\w*"
    r"|niemand|keiner|everybody|everyone|nobody|no one|all (?:of us|users|colleagues|staff)"
    r"|(?:nur|only)\s+(?:ich|bei mir|me|for me|eine?[rn]?\s+\w+|one \w+)|bei mir|bei uns allen"
    r"|\d+\s+(?:leute|personen|kolleg\w+|benutzer\w*|nutzer\w*|mitarbeiter\w*|anwender\w*|people|users|colleagues|persons|employees))\b",
    re.IGNORECASE,
)
_WHERE = re.compile(
    r"\b(?:in|im|beim|bei der|in der|in dem|auf der|within|on the|in the|module|modul|anwendung|app|application|formular|form)\s+"
    r"[\"„']?([A-ZÄÖÜ][\wäöüß-]{3,}(?:\s[A-ZÄÖÜ][\wäöüß-]+)?)",
)


def facts(text: str) -> Mapping[str, str]:
    """The keys are those below ``fact`` in the texts: error, since, affected, area. What is not there has no key."""
    found: dict[str, str] = {}
    without_tickets = _TICKET.sub(" ", text)
    if error := _QUOTED.search(without_tickets):
        found["error"] = error[1]
    elif code := _CODE.search(without_tickets):
        found["error"] = code[0]
    if since := _SINCE.search(text):
        found["since"] = since[0]
    if affected := _AFFECTED.search(text):
        found["affected"] = affected[0]
    if area := _WHERE.search(text):
        found["area"] = area[1]
    return {key: " ".join(value.split())[:MAX_LENGTH] for key, value in found.items()}


def ticket_numbers(text: str) -> tuple[int, ...]:
    """The numbers of the tickets that ``text`` names, each once, in its order."""
    numbers = (int(re.sub(r"\D", "", match)[:12]) for match in _TICKET.findall(text))
    return tuple(dict.fromkeys(numbers))
