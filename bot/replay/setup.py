"""How things stand before a dialogue begins: the time, the hours, who is on file, which tickets there are.

It writes them where the core looks for them, through the store, and knows nothing of the dialogue itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from bot.agreement.calendar import Hours, parse_hours
from bot.agreement.customers import Contract, Level, Organisation
from bot.catalogue.catalogue import Catalogue
from bot.model import Address, Category, ChatRef, Language, Priority, TicketState
from bot.replay.stage import CUSTOMER, START, Stage
from bot.storage.store import Session

_UNNAMED = "Kunde"
_STATES = (
    (TicketState.CLOSED, re.compile(r"geschlossen|closed", re.IGNORECASE)),
    (TicketState.RESOLVED, re.compile(r"gelöst|erledigt|behoben|resolved|solved|done|fixed", re.IGNORECASE)),
    (
        TicketState.WAITING_FOR_CUSTOMER,
        re.compile(r"wart\w* auf (?:kunde|sie|rück)|waiting for (?:customer|you)", re.IGNORECASE),
    ),
    (TicketState.OPEN, re.compile(r"^\W*(?:neu|new|offen|open)\W*$", re.IGNORECASE)),
    (TicketState.TAKEN, re.compile(r"bearbeit|progress|work|zugewiesen|assigned", re.IGNORECASE)),
)

Word = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]


class Agreed(BaseModel):
    """A contract; see bot.agreement.customers.Contract. ``hours`` as people write them, ``region`` a German state."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: Word = "1"
    valid_from: date | None = None
    valid_until: date | None = None
    products: tuple[str, ...] = ()
    covers: frozenset[Category] = frozenset()
    hours: str | None = None
    region: str | None = None
    first_response: timedelta | None = None
    responses: Mapping[Priority, timedelta] = {}

    def contract(self) -> Contract:
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in ("hours", "region")}
        return Contract(**given, hours=parse_hours(self.hours, region=self.region) if self.hours else None)


class Entry(BaseModel):
    """A company in the directory. Without ``contracts`` it has one that says nothing special."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    company: str
    number: Word = ""
    entitled: bool = True
    email: str | None = None
    address: Address = "sie"
    contracts: tuple[Agreed, ...] = ()


class Known(BaseModel):
    """A ticket that is there already; ``status`` is free text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    status: str = ""
    subject: str = ""
    customer: str | None = None


class Someone(BaseModel):
    """A person besides the customer, and the companies that they are known for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    of: tuple[str, ...]
    level: Literal[Level.STATED, Level.PROVEN] = Level.PROVEN


class Fault(BaseModel):
    """An incident that staff know of."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: Mapping[Language, str]
    topics: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


class Setup(BaseModel):
    """The setup of a dialogue: ``entitlement`` verified means that the customer is known for ``customer``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    now: AwareDatetime = START
    hours: str | None = None
    region: str | None = None
    entitlement: Literal["verified", "unknown"] = "verified"
    customer: str | None = None
    directory: tuple[Entry, ...] = ()
    people: tuple[Someone, ...] = ()
    tickets: tuple[Known, ...] = ()
    incidents: tuple[Fault, ...] = ()

    @property
    def opening(self) -> Hours | None:
        """None where the text names no hours that can be read."""
        try:
            return parse_hours(self.hours, region=self.region) if self.hours else None
        except ValueError:
            return None

    def catalogue(self, catalogue: Catalogue) -> Catalogue:
        """``catalogue`` with the hours of this setup as the helpdesk's own."""
        return replace(catalogue, agreement=replace(catalogue.agreement, hours=self.opening))


_MONTHS = ["jan", "feb", "mär|mar", "apr", "mai|may", "jun", "jul", "aug", "sep", "okt|oct", "nov", "dez|dec"]
_MONTH = re.compile(rf"\b({'|'.join(_MONTHS)})[a-zä]*\.?\s+(20\d\d)\b", re.IGNORECASE)
_DAY = re.compile(r"\b(20\d\d)-(\d\d)-(\d\d)\b|\b(\d{1,2})\.(\d{1,2})\.(20\d\d)\b")
_AGO = re.compile(
    r"\b(?:vor\s+)?(\d+|ein\w*|zwei|drei|vier|two|three|four|an?)\s+"
    r"(tag|woche|monat|jahr|day|week|month|year)\w*(?:\s+ago)?\b",
    re.IGNORECASE,
)
_WORDS = {"zwei": 2, "drei": 3, "vier": 4, "two": 2, "three": 3, "four": 4}
_DAYS = {"tag": 1, "day": 1, "woche": 7, "week": 7, "monat": 30, "month": 30, "jahr": 365, "year": 365}


def when(status: str, now: datetime) -> datetime:
    """The day that ``status`` names, as in "closed in February 2026" or "vor drei Wochen gelöst"; ``now`` where it names none."""
    if day := _DAY.search(status):
        year, month, on = map(int, (day[1], day[2], day[3]) if day[1] else (day[6], day[5], day[4]))
    elif named := _MONTH.search(status):
        month = next(n for n, names in enumerate(_MONTHS, 1) if named[1].casefold() in names.split("|"))
        year, on = int(named[2]), 28
    elif ago := _AGO.search(status):
        count = int(ago[1]) if ago[1].isdecimal() else _WORDS.get(ago[1].casefold(), 1)
        return now - timedelta(days=count * _DAYS[ago[2].casefold()])
    else:
        return now
    try:
        return min(now, now.replace(year=year, month=month, day=on))
    except ValueError:
        return now


async def prepare(play: Stage, setup: Setup) -> None:
    """Put the setup on file."""
    async with play.app.store.transaction() as session:
        await _Prepared(session, play, setup).write()


@dataclass(frozen=True)
class _Prepared:
    session: Session
    play: Stage
    setup: Setup

    async def write(self) -> None:
        customers, now = self.session.customers, self.setup.now
        known = {organisation.name.casefold(): organisation for organisation in self._organisations()}
        for organisation in known.values():
            await customers.save(organisation, now)
        if self.setup.entitlement == "verified":
            own = known[(self.setup.customer or _UNNAMED).casefold()]
            chat = self.play.chat
            await customers.bind(chat.adapter, CUSTOMER.id, own.id, Level.PROVEN, now, person=CUSTOMER.name, how="link")
        for person in self.setup.people:
            for company in person.of:
                own, chat = known[company.casefold()], self.play.chat
                await customers.bind(
                    chat.adapter, person.name, own.id, person.level, now, person=person.name, how="setup"
                )
        for fault in self.setup.incidents:
            await self.session.incidents.begin(fault.text, fault.topics, fault.words, now)
        for ticket in self.setup.tickets:
            owner = known.get((ticket.customer or self.setup.customer or _UNNAMED).casefold())
            await self._ticket(ticket, owner)

    def _organisations(self) -> Iterator[Organisation]:
        named = {entry.company.casefold() for entry in self.setup.directory}
        for entry in self.setup.directory:
            yield self._organisation(entry)
        others = [ticket.customer for ticket in self.setup.tickets if ticket.customer]
        if self.setup.entitlement == "verified" or self.setup.customer:
            others.insert(0, self.setup.customer or _UNNAMED)
        for name in dict.fromkeys(others):
            if name.casefold() not in named:
                yield self._organisation(Entry(company=name))

    def _organisation(self, entry: Entry) -> Organisation:
        identifier = str(uuid5(NAMESPACE_URL, entry.company.casefold()))
        until = None if entry.entitled else (self.setup.now - timedelta(days=30)).date()
        agreed = entry.contracts or (Agreed(valid_until=until),)
        return Organisation(
            identifier,
            entry.company,
            entry.number or f"unbekannt-{identifier[:8]}",
            tuple(each.contract() for each in agreed),
            entry.email,
            entry.address,
        )

    async def _ticket(self, known: Known, owner: Organisation | None) -> None:
        digits = re.sub(r"\D", "", known.id)[:12]
        if not digits:
            return
        elsewhere = ChatRef(self.play.chat.adapter, f"setup:{known.id}")
        conversation_id, _ = await self.session.conversations.next_seq(elsewhere, self.setup.now)
        state = next((state for state, words in _STATES if words.search(known.status)), None)
        await self.session.tickets.adopt(
            int(digits),
            conversation_id,
            subject=known.subject,
            state=state or TicketState.OPEN,
            progress=None if state else known.status or None,
            organisation=owner.id if owner else None,
            now=self.setup.now,
            resolved_at=when(known.status, self.setup.now),
        )
