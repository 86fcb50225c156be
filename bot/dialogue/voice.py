"""Finds a sentence of the intent files, fills it in, and tells times as people do. Pure.

What is filled in is data, never markup: what it contains must not turn into bold, a link or a mention. It must not know decisions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from babel.dates import format_datetime, get_day_names

from bot.agreement.calendar import Hours
from bot.catalogue.catalogue import Catalogue
from bot.model import Address, Button, File, Language

_PLACEHOLDER = re.compile(r"\{([a-z_.]+)\}")
_MARKUP = re.compile(r"([\\`*_\[\]<>]|~(?=~)|&(?=#?\w+;))")
_BLOCK = re.compile(
    r"^([ \t]*)(?:([-+](?=[ \t]|$)|-(?=-*[ \t]*$)|=(?==*[ \t]*$)|#(?=#{0,5}(?:[ \t]|$)))|(\d{1,9})(?=[.)](?:[ \t]|$)))",
    re.MULTILINE,
)
"""What makes a line an item of a list, a heading, or a rule: a sign, or a number."""
_INDENTED = re.compile(r"^(?: {4}| {0,3}\t)[ \t]*", re.MULTILINE)
"""What would make a line code, in which nothing can be escaped."""
_BREAK = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, and what turns the direction in which the words around it are read."""
_MOMENT: dict[Language, tuple[str, str]] = {
    "de": ("de_DE", "EEEE, d. MMMM, HH:mm 'Uhr'"),
    "en": ("en_GB", "EEEE, d MMMM, HH:mm"),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """``text`` is Markdown."""

    text: str
    buttons: tuple[Button, ...] = ()
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Voice:
    """Speaks ``language`` to people who are addressed as ``address``; ``ticket`` is the key of the ticket that is spoken of."""

    catalogue: Catalogue
    language: Language
    ticket: str | None = None
    address: Address = "sie"

    def text(self, key: str, **values: str) -> str:
        """The sentence ``key`` with its placeholders filled in. Raises KeyError for one that nothing fills."""
        company = {
            name.removeprefix("company."): value[self.language]
            for name, value in self.catalogue.company.values.items()
            if value is not None
        }
        known = {"company": company.get("name", ""), "remote_tool": company.get("remote_tool", "")}
        known |= {"ticket": self.ticket or ""} | values
        text = self.catalogue.text(self.language, key, self.address)
        return _PLACEHOLDER.sub(lambda m: escaped(known[m[1]]), text)

    def button(self, key: str, action: str) -> Button:
        return Button(self.text(f"button.{key}"), action)

    def moment(self, time: datetime) -> str:
        """``time`` in its own zone: ``Montag, 9. März, 08:00 Uhr``."""
        locale, pattern = _MOMENT[self.language]
        return format_datetime(time, pattern, locale=locale)

    def hours(self, hours: Hours) -> str:
        """``Montag bis Freitag 08:00 bis 17:00 Uhr``, each run of days with the same times once."""
        locale, to = _MOMENT[self.language][0], self.text("time.to")
        days = get_day_names("wide", locale=locale)
        runs: list[list[int]] = []
        for day in sorted(hours.week):
            if runs and day == runs[-1][-1] + 1 and hours.week[day] == hours.week[runs[-1][0]]:
                runs[-1].append(day)
            else:
                runs.append([day])
        said = []
        for run in runs:
            named = days[run[0]] if len(run) == 1 else f"{days[run[0]]} {to} {days[run[-1]]}"
            spans = (f"{opens:%H:%M} {to} {closes:%H:%M}" for opens, closes in hours.week[run[0]])
            said.append(self.text("time.span", days=named, spans=", ".join(spans)))
        return "; ".join(said)


def escaped(text: str) -> str:
    """``text`` so that Markdown shows it as it stands, but for characters that nobody can see."""
    text = _INDENTED.sub("   ", _UNSEEN.sub("", _BREAK.sub("\n", text)))
    return _BLOCK.sub(_unblocked, _MARKUP.sub(r"\\\1", text))


def _unblocked(found: re.Match[str]) -> str:
    blanks, sign, number = found.groups()
    return f"{blanks}\\{sign}" if sign else f"{blanks}{number}\\"


def unmarked(markdown: str) -> str:
    """Markdown of ours as it reads without its signs."""
    return markdown.replace("\\", "").replace("**", "")


def quoted(text: str) -> str:
    """``text`` as a block quote that shows it to the letter."""
    return cited(escaped(text))


def cited(markdown: str) -> str:
    """Markdown of ours as a block quote, with its markup."""
    return "\n".join(f"> {line}" if line.strip() else ">" for line in markdown.strip().splitlines())
