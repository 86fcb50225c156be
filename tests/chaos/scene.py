"""Everybody in a storm, and what their platforms' logs say about how it went for them.

It must not know what was done to the bots.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos import people, traffic
from tests.chaos.checker import Findings, Trouble, check, tokens_in
from tests.chaos.people import Shift, StaffChat
from tests.chaos.taken import Desk, check_desk, read_by_staff
from tests.chaos.traffic import Line, Place, speaks_in
from tests.loopback.journal import Arrival

TOKENS = re.compile(f"{traffic.TOKENS.pattern}|{people.TOKENS.pattern}")


@dataclass(frozen=True)
class Scene:
    """``places`` are the customers' platforms; ``shifts`` those of staff, one for each talk that they take over."""

    places: Sequence[Place]
    persons: Sequence[Sequence[Line]]
    room: StaffChat
    shifts: Sequence[Shift]

    @property
    def arrivals(self) -> list[Arrival]:
        return [arrival for place in self.places for arrival in place.arrivals]

    @property
    def all_accepted(self) -> bool:
        """Whether the platforms have been told of every customer's message that it has arrived."""
        return all(message.accepted for message in traffic.said(self.places, self.lines))

    @property
    def lines(self) -> list[Sequence[Line]]:
        return [*self.persons, *(shift.lines for shift in self.shifts)]

    def findings(self, troubles: Collection[Trouble] = (), unsure: Sequence[Mapping[str, str]] = ()) -> Findings:
        """``unsure`` are the rows of ``firstline dead list`` that may not have arrived."""
        arrivals, room = self.arrivals, self.room.chat
        customers = [arrival for arrival in arrivals if arrival.chat != room]
        said = [*traffic.said(self.places, self.lines), *(reply for shift in self.shifts for reply in shift.said)]
        desk = Desk(
            arrivals=[arrival for arrival in arrivals if arrival.chat == room],
            taken=[shift.taken for shift in self.shifts],
            files=traffic.files(self.places, self.lines),
            whose=self._whose,
            words=traffic.quoted_in,
            notice=people.TAKEN,
            back=people.RETURNED,
            ours=people.FOR_STAFF,
            unsure=[row["text"] for row in unsure],
        )
        shown = {(row["chat"].split(":")[-1], token) for row in unsure for token in tokens_in(row["text"], TOKENS)}
        shown |= {
            (chat, token)
            for row in unsure
            for chat in self._whose(row["text"])
            for token in traffic.quoted_in(row["text"])
        }
        read = read_by_staff(desk, said, customers, TOKENS)
        findings = check(said, customers, troubles, TOKENS, shown, read)
        return check_desk(findings, desk, customers, troubles, people.TOKENS)

    def _whose(self, text: str) -> set[str]:
        return {speaks_in(self.places, number).chat(number) for number in traffic.customers_in(text)}


def shifts(
    chance: random.Random, places: Sequence[Place], persons: Sequence[Sequence[Line]], room: StaffChat
) -> list[Shift]:
    """Of some customers, drawn by chance, staff take the word."""
    numbers = range(len(persons))
    drawn = sorted(chance.sample(numbers, max(1, round(people.TAKEN_OVER * len(numbers)))))
    found = []
    for number in drawn:
        *meanwhile, afterwards = traffic.more(persons[number], 3)
        place, own = speaks_in(places, number), random.Random(chance.random())
        found.append(Shift(room, place, meanwhile, afterwards, own))
    return found
