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
    r"(?:[A-Z]{1,6}[-_ ]?\d{2,6}\b|[A-Z]{2,6}-\d\b"
    r"|0x[0-9A-Fa-f]{4,8}\b|\b[45]\d\d\b(?=\D|$)|[A-Za-z]+(?:Exception|Error)\b(?::[^\n]{0,120})?)"
)
_TICKET = re.compile(r"\bHD[-\s]?\d+\b", re.IGNORECASE)
_SINCE = re.compile(
    r"\b(?:seit|since|ab|nach dem|after the|ever since)\s+(?:dem |der |heute |gestern |letzte[rnm]? |dieser |the |this |last )?"
    r"[\wäöüß.:/-]+(?:\s+(?:früh|morgen|mittag|abend|nachmittag|uhr|update|patch|morning|noon|night|week|am|pm|tagen|wochen|stunden|days|"
    r"weeks|hours|minuten|minutes)\b)?"
    r"|\b(?:gestern|heute früh|heute morgen|yesterday|this morning)\b",
    re.IGNORECASE,
)
_COUNT = (
    r"(?:\d+|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|beiden?|mehrere|"
    r"two|three|four|five|six|seven|eight|nine|ten|both|several)"
)
_STAFF = r"(?:kolleg\w+|benutzer\w*|mitarbeiter\w*|nutzer\w*|anwender\w*|fahrer\w*|disponent\w*)"
_PLACES = r"(?:schichten|kassen|filialen|standorte\w*|abteilungen|rezeptionen|arbeitsplätze)"
_SITES = r"(?:sites|shops|shifts|tills|offices|departments|branches|locations|stores)"
_AFFECTED = re.compile(
    r"\b(?:(?:ganze[rsn]?|the (?:whole|entire)|whole) (?:team|abteilung|firma|standort|department|company|site)"
    rf"|(?:alle[nr]? |an |all )?{_COUNT} (?:\w+ )?(?:{_PLACES}|{_SITES})|alle {_PLACES}|all {_SITES}"
    rf"|{_COUNT} \w+ (?:are )?affected|{_COUNT} \w+ betroffen"
    rf"|alle[nr]?(?:\s+{_STAFF})?|jede[rnm]?\s+{_STAFF}"
    r"|niemand|keiner|everybody|everyone|nobody|no one|all (?:of us|users|colleagues|staff)"
    r"|(?:nur|only)\s+(?:ich|bei mir|me|for me|eine?[rn]?\s+\w+|one \w+)|bei mir|bei uns allen"
    rf"|{_COUNT}\s+(?:leute|personen|{_STAFF}|people|users|colleagues|persons|employees))\b",
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
