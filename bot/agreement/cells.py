"""The cells of a customer register: a text that people or their ERP system wrote, as a value, and a value as such a text.

Whatever it reads, it writes so that it is read alike. It must not know rows or files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import holidays
from rapidfuzz import process

from bot.agreement.calendar import ALWAYS, Hours, parse_hours
from bot.agreement.customers import Contact
from bot.model import Address, Category

YES = ("yes", "ja", "j", "y", "true", "wahr", "1", "x")
NO = ("no", "nein", "n", "false", "falsch", "0")
REGIONS = tuple(region for region in holidays.country_holidays("DE").subdivisions if len(region) == 2)

# Invisible characters, line breaks, and signs that turn the direction of writing: none has any business in a name.
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd\ud800-\udfff]")
_FORMULA = ("=", "+", "@", "-", "\t")
_SCIENTIFIC = re.compile(r"[0-9]+[.,][0-9]+E[+-]?[0-9]+", re.IGNORECASE)
_EMAIL = re.compile(
    r"[!#$%&'*+/=?^_`{|}~0-9A-Za-z-]+(?:\.[!#$%&'*+/=?^_`{|}~0-9A-Za-z-]+)*@(?:[\w-]{1,63}\.)+[\w-]{2,63}"
)
_NAMED = re.compile(r"(?P<name>.*)<(?P<address>[^<>]+)>")
_BARE = re.compile(r"(?P<name>(?P<address>[^<>\s]+))")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_NUMBER = re.compile(r"\d{1,4}(?:[.,]\d{1,2})?", re.ASCII)

_GERMAN_WORDS = {
    "schulung": Category.TRAINING,
    "vor ort": Category.ONSITE,
    "vor-ort": Category.ONSITE,
    "lizenzmangel": Category.LICENSE_DEFECT,
    "drittprodukte": Category.NOT_COVERED,
}


class CellError(ValueError):
    """A cell cannot be used: ``message`` says why, without a full stop, ``remedy`` is a whole sentence."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def plain(text: str, longest: int) -> str:
    """The text without spaces around it. Raises CellError for what could do harm where it is shown, or opened in a spreadsheet."""
    text = text.strip(" \xa0")
    if found := _UNWANTED.search(text):
        raise CellError(
            f"it contains the invisible character U+{ord(found[0]):04X}", "Type it anew, in one line, without it."
        )
    if text.startswith(_FORMULA):
        raise CellError(f"{shown(text)} begins like a formula", "Let it begin with a letter or a digit.")
    if len(text) > longest:
        raise CellError(f"it has {len(text)} characters", f"Use at most {longest}.")
    return text


def customer_number(text: str) -> str:
    number = plain(text, 60)
    if _SCIENTIFIC.fullmatch(number):
        raise CellError(
            f"a spreadsheet has turned it into {number}", "Give the column the format 'text' and enter it anew."
        )
    if not any(c.isdecimal() and c.isascii() for c in number):
        raise CellError(f"{shown(number)} holds no digit", "Enter the customer number as it stands on your invoices.")
    return number


def email(text: str) -> str | None:
    address = plain(text, 254)
    if not address:
        return None
    try:
        fits = _EMAIL.fullmatch(address) and address.rpartition("@")[2].encode("idna")
    except UnicodeError:
        fits = None
    if not fits or len(address.rpartition("@")[0]) > 64:
        raise CellError(f"{shown(address)} is no e-mail address", "Write one address such as it@example.com.")
    return address


def form_of_address(text: str) -> Address:
    match plain(text, 20).casefold():
        case "" | "sie":
            return "sie"
        case "du":
            return "du"
        case other:
            raise CellError(f"{shown(other)} is no form of address", "Write Sie or du.")


def yes_or_no(text: str) -> bool:
    word = plain(text, 20).casefold()
    if word in NO:
        return False
    if word in YES or not word:
        return True
    raise CellError(f"{shown(word)} is neither yes nor no", "Write yes or no (ja, nein).")


def contacts(text: str) -> tuple[Contact, ...]:
    return tuple(_contact(part) for part in _parts(text, "|"))


def _contact(text: str) -> Contact:
    if "@" not in text:
        return Contact(text.strip('" ') or text)
    found = _NAMED.fullmatch(text) or _BARE.fullmatch(text)
    if not found:
        raise CellError(f"{shown(text)} is no name with an address", "Write it like Petra Klein <p.klein@example.com>.")
    return Contact(found["name"].strip('" ') or found["address"], email(found["address"]))


def day(text: str) -> date | None:
    written = plain(text, 40)
    if not written:
        return None
    try:
        if found := _ISO.fullmatch(written):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _GERMAN.fullmatch(written):
            return date(int(found[3]), int(found[2]), int(found[1]))
    except ValueError:
        raise CellError(f"{shown(written)} is no day of the calendar", "Correct it.") from None
    raise CellError(f"{shown(written)} is no date", "Write it like 2026-12-31 or 31.12.2026.")


def words(text: str) -> tuple[str, ...]:
    return _parts(text, "|,")


def products(text: str, known: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The ids of what is named by an id or by a name; ``known`` maps ids to names."""
    by_name = {name.casefold(): identifier for identifier, names in known.items() for name in (*names, identifier)}
    found = []
    for name in _parts(text, "|,"):
        if name.casefold() not in by_name:
            near = process.extractOne(name.casefold(), by_name.keys(), score_cutoff=70)
            remedy = f"Did you mean {near[0]!r}? " if near else ""
            raise CellError(
                f"{shown(name)} is no product that company.yaml knows", f"{remedy}Correct it, or add it there."
            )
        found.append(by_name[name.casefold()])
    return tuple(dict.fromkeys(found))


def covers(text: str) -> frozenset[Category]:
    """Categories that the agreement excludes, by their id with or without ``excluded.``, or in German."""
    possible = {c.value.partition(".")[2]: c for c in Category if c.excluded} | _GERMAN_WORDS
    found = set()
    for word in _parts(text, "|,"):
        category = possible.get(word.casefold().removeprefix("excluded."))
        if category is None:
            choices = ", ".join(c.value.partition(".")[2] for c in Category if c.excluded)
            raise CellError(f"{shown(word)} is nothing that the agreement excludes", f"Use some of: {choices}.")
        found.add(category)
    return frozenset(found)


def hours(text: str, region: str) -> Hours | None:
    written, land = plain(text, 200), plain(region, 10).upper()
    if land and land not in REGIONS:
        raise CellError(f"{shown(land)} is no German state", f"Use one of: {', '.join(REGIONS)}.")
    if not written:
        if land:
            raise CellError("a state stands here without service hours", "Fill in both, or none.")
        return None
    try:
        return parse_hours(written, region=land or None)
    except ValueError as error:
        raise CellError(str(error), "Write them like Mo-Fr 08:00-17:00 Europe/Berlin, or 24/7.") from None


def working_hours(text: str) -> timedelta | None:
    written = plain(text, 20)
    if not written:
        return None
    if not _NUMBER.fullmatch(written) or (minutes := round(float(written.replace(",", ".")) * 60)) < 1:
        raise CellError(f"{shown(written)} is no number of hours", "Write one such as 4 or 0.5.")
    return timedelta(minutes=minutes)


def shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _parts(text: str, separators: str) -> tuple[str, ...]:
    parts = re.split(f"[{re.escape(separators)}]", plain(text, 1000))
    return tuple(dict.fromkeys(kept for part in parts if (kept := plain(part, 200))))


# --- and back -------------------------------------------------------------------------------------


def write_contacts(value: Sequence[Contact]) -> str:
    return " | ".join(c.name if c.email is None else f"{c.name} <{c.email}>" for c in value)


def write_hours(value: Hours | None) -> tuple[str, str]:
    """The cells ``hours`` and ``region``."""
    if value is None:
        return "", ""
    return value.text, "" if value.region in (None, ALWAYS) else value.region


def write_working_hours(value: timedelta | None) -> str:
    return "" if value is None else f"{value.total_seconds() / 3600:.2f}".rstrip("0").rstrip(".")
