"""Who is entitled to what: organisations, their contracts, and how sure the bot is of whom it talks to.

Pure; it must not know where customers are stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from rapidfuzz import fuzz, utils

from bot.agreement.calendar import Hours
from bot.model import Category, Priority

Address = Literal["sie", "du"]

HOME = "Europe/Berlin"
"""Where a day begins and ends for a contract that names no hours."""

SIMILAR_NAME = 88.0
"""RapidFuzz's token-set ratio from which two company names are taken for the same; the number must match to the digit as well."""

_LEGAL_FORM = re.compile(r"\b(gmbh|ag|kg|ohg|se|ug|e\.?\s?v|ltd|limited|inc|llc|plc|co|kgaa|mbh)\b\.?", re.IGNORECASE)
_WORD = re.compile(r"[\w./-]+")


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

    def lapsed(self, moment: datetime) -> Contract | None:
        """Of the contracts that are over, the one that ended last."""
        over = [
            contract
            for contract in self.contracts
            if contract.valid_until is not None and not contract.in_force(moment) and not _to_come(contract, moment)
        ]
        return max(over, key=lambda contract: contract.valid_until or date.max, default=None)


def _to_come(contract: Contract, moment: datetime) -> bool:
    return contract.valid_from is not None and contract.valid_from > moment.date()


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

    Half of it proves nothing and is not resolved: whoever guesses a name must not learn whether it is a customer.
    """
    numbers = {form for word in _WORD.findall(text) for form in _forms(word)}
    words = utils.default_process(_LEGAL_FORM.sub(" ", text))
    name_only = number_only = False
    for organisation in organisations:
        by_number = bool(_forms(organisation.number) & numbers)
        name = utils.default_process(_LEGAL_FORM.sub(" ", organisation.name))
        by_name = bool(name) and fuzz.token_set_ratio(name, words, score_cutoff=SIMILAR_NAME) > 0
        if by_number and by_name:
            return Claim(organisation)
        name_only |= by_name
        number_only |= by_number
    return Claim(None, name_only, number_only)


def _forms(number: str) -> frozenset[str]:
    """How a customer number may be written: as it stands, and without letters and signs if enough digits are left."""
    if not any(c.isdigit() for c in number):
        return frozenset()
    plain = re.sub(r"[^0-9a-z]", "", number.casefold())
    digits = re.sub(r"\D", "", plain)
    return frozenset({plain, digits} if len(digits) >= 3 else {plain})
