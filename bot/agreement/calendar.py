"""Business hours: when somebody reads a request, and when a promised time is over.

Pure arithmetic over aware times; it must not know the clock or whose hours these are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

HORIZON = timedelta(days=60)
"""How far opening times are looked for: longer than any company is closed."""

_DAYS = {name: day for day, names in enumerate(("mo mon", "di tu tue", "mi we wed", "do th thu", "fr fri", "sa sat", "so su sun"))
         for name in names.split()}  # fmt: skip
_SPAN = re.compile(
    r"(?P<first>[a-zä]{2,10})\.?(?:\s*(?:-|–|bis|to)\s*(?P<last>[a-zä]{2,10})\.?)?:?\s+(?:von |from )?"
    r"(?P<opens>\d{1,2}(?:[:.]\d{2})?)(?:\s*uhr)?\s*(?:-|–|bis|to)\s*(?P<closes>\d{1,2}(?:[:.]\d{2})?)",
    re.IGNORECASE,
)
_ZONE = re.compile(r"\b[A-Z][A-Za-z]+/[A-Z][A-Za-z_/]+\b|\bUTC\b")
_ALWAYS = re.compile(r"\b24\s*(?:/|x)\s*7\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hours:
    """``week`` maps a weekday (0 is Monday) to its opening spans in local time; ``region`` is a German state (``NW``) whose public
    holidays are free, or None for the nationwide ones. ``text`` is how people wrote it.
    """

    week: Mapping[int, tuple[tuple[time, time], ...]]
    zone: str
    region: str | None
    text: str

    def is_open(self, moment: datetime) -> bool:
        local = moment.astimezone(ZoneInfo(self.zone))
        return any(opens <= local < closes for opens, closes in self._spans(local.date()))

    def next_opening(self, moment: datetime) -> datetime | None:
        """``moment`` itself while it is open, else when it opens next; None if it never does."""
        return next((max(opens, moment) for opens, _ in self._from(moment)), None)

    def after(self, moment: datetime, work: timedelta) -> datetime | None:
        """When ``work`` of opening time has passed since ``moment``; None if it never does."""
        for opens, closes in self._from(moment):
            begin = max(opens, moment)
            if begin + work <= closes:
                return begin + work
            work -= closes - begin
        return None

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.zone))

    def _from(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        day = moment.astimezone(ZoneInfo(self.zone)).date()
        for offset in range(HORIZON.days):
            yield from (span for span in self._spans(day + timedelta(days=offset)) if span[1] > moment)

    def _spans(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        if self.region != ALWAYS and day in _holidays(self.region):
            return
        zone = ZoneInfo(self.zone)
        for opens, closes in self.week.get(day.weekday(), ()):
            end = (
                datetime.combine(day, closes, zone)
                if closes != time.min
                else datetime.combine(day + timedelta(days=1), closes, zone)
            )
            yield datetime.combine(day, opens, zone), end


ALWAYS = "-"
"""The region of hours that know no holiday."""


def parse_hours(text: str, *, zone: str = "Europe/Berlin", region: str | None = None) -> Hours:
    """``Mo-Do 08:00-17:00, Fr 8-15 Europe/Berlin``, ``Mon-Fri 9-17``, ``24/7``. Raises ValueError that says what is wrong."""
    if found := _ZONE.search(text):
        zone = found[0]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{zone!r} is not a time zone; write one such as Europe/Berlin") from None
    if _ALWAYS.search(text):
        return Hours(dict.fromkeys(range(7), ((time.min, time.min),)), zone, ALWAYS, text.strip())
    week: dict[int, tuple[tuple[time, time], ...]] = {}
    for match in _SPAN.finditer(text):
        first = _day(match["first"])
        last = _day(match["last"]) if match["last"] else first
        opens, closes = _time(match["opens"]), _time(match["closes"])
        if closes != time.min and closes <= opens:
            raise ValueError(f"{match[0]!r} closes before it opens")
        for offset in range((last - first) % 7 + 1):
            day = (first + offset) % 7
            week[day] = tuple(sorted((*week.get(day, ()), (opens, closes))))
    if not week:
        raise ValueError(f"{text!r} names no opening time; write it like Mo-Fr 08:00-17:00 Europe/Berlin")
    return Hours(week, zone, region, text.strip())


def _day(word: str) -> int:
    known = _DAYS.get(word.casefold()[:2])
    if known is None:
        raise ValueError(f"{word!r} is not a day of the week")
    return known


def _time(text: str) -> time:
    hour, _, minute = text.replace(".", ":").partition(":")
    if int(hour) == 24:
        return time.min
    try:
        return time(int(hour), int(minute or 0))
    except ValueError:
        raise ValueError(f"{text!r} is not a time of day") from None


@lru_cache(maxsize=32)
def _holidays(region: str | None) -> holidays.HolidayBase:
    return holidays.country_holidays("DE", subdiv=region)
