"""Who is entitled to what: organisations, their contracts, and how sure the bot is of whom it talks to.

Pure; it must not know where customers are stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from rapidfuzz import process
from rapidfuzz.distance import OSA

from bot.agreement.calendar import Hours
from bot.model import Address, Category, Priority

HOME = "Europe/Berlin"
"""Where a day begins and ends for a contract that names no hours."""


class Level(StrEnum):
    """How sure it is whom the bot talks to: not at all, by company and number as told, by link or code."""

    UNKNOWN = "unknown"
    STATED = "stated"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True)
class Contract:
    """A maintenance contract. ``covers`` are categories that the agreement excludes and this contract includes.

    ``products`` are ids of the company's products; none: all of them. ``modules`` is what the contract names beyond that, in its
    own words. ``first_response`` and, for a priority that differs, ``responses`` is the promised time until somebody answers, in
    business time; None: as soon as possible. Both days of validity belong to the contract; None: without end.
    """

    number: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
    products: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    covers: frozenset[Category] = frozenset()
    hours: Hours | None = None
    first_response: timedelta | None = None
    responses: Mapping[Priority, timedelta] = field(default_factory=dict)

    def in_force(self, moment: datetime) -> bool:
        day = moment.astimezone(ZoneInfo(self.hours.zone if self.hours else HOME)).date()
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )

    def response(self, priority: Priority = Priority.NORMAL) -> timedelta | None:
        return self.responses.get(priority, self.first_response)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person of the customer whom staff may turn to."""

    name: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """``number`` is the customer number, ``email`` the business address that codes are sent to, ``address`` how its people are
    spoken to. ``active`` False: no customer any more, whatever the contracts say.
    """

    id: str
    name: str
    number: str
    contracts: tuple[Contract, ...] = ()
    email: str | None = None
    address: Address = "sie"
    contacts: tuple[Contact, ...] = ()
    active: bool = True

    def entitled(self, moment: datetime) -> bool:
        return bool(self.in_force(moment))

    def in_force(self, moment: datetime) -> tuple[Contract, ...]:
        return tuple(contract for contract in self.contracts if self.active and contract.in_force(moment))

    def contract(self, moment: datetime, products: Iterable[str] = ()) -> Contract | None:
        """The contract in force that a matter falls under: one that names one of its ``products``, else one for all products, else
        the first; None when none is in force.
        """
        named = frozenset(products)
        return min(
            self.in_force(moment),
            key=lambda contract: 0 if named & set(contract.products) else 1 if not contract.products else 2,
            default=None,
        )

    def covers(self, category: Category, moment: datetime, products: Iterable[str] = ()) -> bool:
        """Whether a contract in force includes what the agreement excludes, for these products if the matter names some."""
        named = frozenset(products)
        return any(
            category in contract.covers and (not named or not contract.products or bool(named & set(contract.products)))
            for contract in self.in_force(moment)
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Whom the bot talks to. ``checked`` is False where no customers are on file at all, so that asking would be idle."""

    level: Level = Level.UNKNOWN
    organisation: Organisation | None = None
    checked: bool = True

    @property
    def must_ask(self) -> bool:
        return self.checked and self.level is Level.UNKNOWN


@dataclass(frozen=True, slots=True)
class Claim:
    """What a text says of who its writer is: an organisation whose name and number it gives, or half of that."""

    organisation: Organisation | None = None
    name_only: bool = False
    number_only: bool = False


def claimed(text: str, organisations: Iterable[Organisation]) -> Claim:
    """The organisation that ``text`` names together with its customer number.

    Half of it proves nothing and is not resolved: whoever guesses a name must not learn whether it is a customer. Names may have
    typos and lack their legal form, and beside the right number their first word is enough; numbers may be spaced and punctuated
    as people do, but must match to the digit.
    """
    known = tuple(organisations)
    numbers, words = _numbers(text), _Words(text, known)
    named = [organisation for organisation in known if words.share(organisation.name) >= MOST_OF_NAME]
    numbered = [organisation for organisation in known if _forms(organisation.number) & numbers]
    fits = {
        organisation.id: (_plain(organisation.number) in numbers, words.share(organisation.name))
        for organisation in numbered
        if organisation in named or (not named and words.begins(organisation.name))
    }
    best = [organisation for organisation in numbered if fits and fits.get(organisation.id) == max(fits.values())]
    if len(best) == 1:
        return Claim(best[0])
    return Claim(None, name_only=bool(named), number_only=bool(numbered))


MOST_OF_NAME = 0.7
"""The share of a name's letters, legal forms aside, that must be found for the name to count as given."""

_LEGAL_FORM = re.compile(
    r"(?<!\w)(?:e\.\s?[vkg]|m\.?b\.?h|g?gmbh|ag|co|company|corp|e[gkv]|gbr|inc|kg|kgaa|limited|llc|ltd|ohg|plc|se|ug|und|and)(?!\w)\.?",
    re.IGNORECASE,
)
_NAME_WORD = re.compile(r"[^\W_]+")
_NUMBER_WORD = re.compile(r"(?<![^\W_])[A-Za-z]{1,5}(?![^\W\d_])|(?:(?<![A-Za-z])[A-Za-z]+)?\d[\dA-Za-z]*")
_SIDE_BY_SIDE = re.compile(r"[ \xa0./-]{0,3}")
_DIGITS = re.compile(r"[a-z]*(\d[\da-z]*?)[a-z]*", re.ASCII)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_LONGEST_NUMBER = 80
_MOST_WORDS = 300
"""Words of a text that are looked at; who somebody is does not stand behind them."""


def _words(text: str) -> list[str]:
    """Folded, so that umlauts may be written out."""
    return _NAME_WORD.findall(text.casefold().translate(_UMLAUTS))


@lru_cache(maxsize=20_000)
def _name_words(name: str) -> tuple[str, ...]:
    words = _words(_LEGAL_FORM.sub(" ", name))
    return tuple(words if sum(map(len, words)) >= _SHORTEST_NAME else _words(name))  # "IT AG" is not every "it"


class _Words:
    """Which words of the known names a text has, typos forgiven: one from five letters on, two from nine."""

    def __init__(self, text: str, organisations: Iterable[Organisation]) -> None:
        said = _words(text)[:_MOST_WORDS]
        said += [first + second for first, second in pairwise(said)]  # names that somebody writes apart
        vocabulary = {word for organisation in organisations for word in _name_words(organisation.name)}
        vocabulary |= {"".join(_name_words(organisation.name)) for organisation in organisations}  # or in one
        self._found = vocabulary & set(said)
        fuzzy = [word for word in vocabulary - self._found if len(word) >= _ONE_TYPO]
        if fuzzy and said:
            distances = process.cdist(fuzzy, said, scorer=OSA.distance, score_cutoff=2).min(axis=1)
            self._found |= {w for w, d in zip(fuzzy, distances, strict=True) if d <= (2 if len(w) >= _TWO_TYPOS else 1)}

    def share(self, name: str) -> float:
        """The share of the name's letters whose words were found."""
        words = _name_words(name)
        letters = sum(map(len, words))
        if "".join(words) in self._found:
            return 1.0
        return sum(len(word) for word in words if word in self._found) / max(letters, 1)

    def begins(self, name: str) -> bool:
        """Whether the first word of the name was found."""
        return any(len(word) >= _SHORTEST_NAME and word in self._found for word in _name_words(name)[:1])


_ONE_TYPO, _TWO_TYPOS, _SHORTEST_NAME = 5, 9, 3


def _numbers(text: str) -> frozenset[str]:
    """Everything in a text that may be a customer number: words with digits, and up to four that stand side by side as one."""
    words = list(_NUMBER_WORD.finditer(text))
    found = set()
    for i, first in enumerate(words):
        joined, end = "", first.start()
        for word in words[i : i + 4]:
            if not _SIDE_BY_SIDE.fullmatch(text[end : word.start()]):
                break
            joined, end = joined + word[0].casefold(), word.end()
            if len(joined) > _LONGEST_NUMBER:
                break
            if digits := _DIGITS.fullmatch(joined):
                found |= {joined, digits[1]}
    return frozenset(found)


def _plain(number: str) -> str:
    return re.sub(r"[^0-9a-z]", "", number.casefold())


def _forms(number: str) -> frozenset[str]:
    """How a customer number may be given: as it stands, and without letters and leading zeros if enough digits are left."""
    plain = _plain(number)
    digits = re.sub(r"\D", "", plain)
    shorter = {form for form in (digits, digits.lstrip("0")) if len(form) >= 3}
    return frozenset({plain, *shorter} if digits else ())
