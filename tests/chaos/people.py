"""Staff in a storm: of some tickets they take the word, answer, write notes among themselves, and give the word back.

They know what they read in their chat, and look over the customer's shoulder for what has arrived. It must not know how it got
there.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.chaos.checker import Said
from tests.chaos.taken import TakeOver
from tests.chaos.traffic import AGAIN, Line, Place, customers_in
from tests.loopback.journal import Arrival
from tests.loopback.slack import LoopbackSlack
from tests.loopback.slack_people import Human as OfSlack
from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_forum import FORUM
from tests.loopback.telegram_people import Human as OfTelegram

CHANNEL = "C0DESK"
STAFF = {501: "Kim", 502: "Mira"}
OWNER, COLLEAGUE = STAFF.values()
TOKENS = re.compile(r"\bs\d+-\d\b")
"""In what staff reply."""
FOR_STAFF = re.compile(r"\bn\d+-\d\b|Bisher gesprochen|💬|📎|📝|🤖")
"""What no customer may ever read: notes, and the signs with which staff are told of something."""
TAKEN = "kümmert sich jetzt um Ihr Anliegen"
RETURNED = "das Wort an den Bot zurückgegeben"
_SO_FAR = "Bisher gesprochen"
TAKEN_OVER = 0.4
"""Of how many customers staff take the word."""
PATIENCE = 60.0
"""Seconds without anything new on the platforms after which staff go home."""


class StaffChat(Protocol):
    setting: str
    chat: str
    """What the platform's journal calls it."""

    async def write(self, who: str, text: str, thread: str, *, again: bool) -> None:
        """Returns when the platform could deliver what is written next without changing the order; ``again``: it comes twice."""

    @property
    def arrivals(self) -> Sequence[Arrival]:
        """All of the platform's."""


@dataclass
class Group:
    """On Telegram, which keeps the order of its updates itself."""

    server: LoopbackTelegram
    setting: str = f"telegram:{FORUM}"
    chat: str = str(FORUM)

    def __post_init__(self) -> None:
        self.server.chats.add(FORUM)
        self._people = {name: OfTelegram(self.server, number, name, FORUM) for number, name in STAFF.items()}
        for number in STAFF:
            self.server.groups.join(FORUM, number)

    async def write(self, who: str, text: str, thread: str, *, again: bool) -> None:
        number = await self._people[who].writes(text, int(thread))
        if again:
            await self._people[who].is_heard_again(number)

    @property
    def arrivals(self) -> Sequence[Arrival]:
        return self.server.journal.arrivals


@dataclass
class Channel:
    """On Slack, which may bring the later first: so nobody goes on before the former has arrived."""

    server: LoopbackSlack
    setting: str = f"slack:{CHANNEL}"
    chat: str = CHANNEL

    def __post_init__(self) -> None:
        self.server.channels.add(CHANNEL)
        people = [OfSlack(self.server, f"U{number}", name, CHANNEL) for number, name in STAFF.items()]
        self._people = {human.name: human for human in people}
        self.server.people |= {human.id: human.name for human in people}
        self.server.members[CHANNEL] = [human.id for human in people]

    async def write(self, who: str, text: str, thread: str, *, again: bool) -> None:
        ts = await self._people[who].writes_and_waits(text, thread)
        if again:
            await self._people[who].is_heard_again(ts)

    @property
    def arrivals(self) -> Sequence[Arrival]:
        return self.server.journal.arrivals


@dataclass
class Shift:
    """What staff do about the ticket of one customer, who is at ``place``, and what that customer says to it.

    ``meanwhile`` are the customer's words to the person who has taken over, ``afterwards`` those to the bot again.
    """

    room: StaffChat
    place: Place
    meanwhile: Sequence[Line]
    afterwards: Line
    chance: random.Random
    said: list[Said] = field(default_factory=list)
    released: float | None = None
    returned: float | None = None

    @property
    def person(self) -> int:
        return self.afterwards.person

    @property
    def lines(self) -> list[Line]:
        return [*self.meanwhile, self.afterwards]

    @property
    def taken(self) -> TakeOver:
        return TakeOver(self.place.chat(self.person), self.released, self.returned)

    async def work(self) -> None:
        """Until the bot has the word again, or nothing goes on any more."""
        try:
            await self._work()
        except TimeoutError:
            return

    async def _work(self) -> None:
        number, chance = self.person, self.chance
        opened = await self._seen(
            self.room, self.room.chat, lambda told: _SO_FAR in told.text and customers_in(told.text) == {number}
        )
        thread = opened.thread
        await asyncio.sleep(chance.uniform(0, 2))
        await self._write(OWNER, "!take", thread)
        await self._customer_reads(TAKEN)
        for turn, words in enumerate(self.meanwhile):
            self.said.append(Said(self.place.chat(number), f"s{number}-{turn}", by="staff"))
            await self._write(OWNER, f"Auskunft s{number}-{turn}, bitte prüfen", thread)
            await self.place.say(words)
            await asyncio.sleep(chance.uniform(0, 1))
            await self._write(OWNER, f"// nur für uns: n{number}-{turn}", thread)
            await self._write(COLLEAGUE, f"Das hatten wir schon einmal, siehe n{number}-{turn + 5}", thread)
        for reply in self.said:
            await self._customer_reads(reply.token)
        await asyncio.sleep(chance.uniform(0, 3))
        self.released = time.monotonic()
        await self._write(OWNER, "!handback", thread)
        back = await self._seen(self.room, self.room.chat, lambda told: told.thread == thread and RETURNED in told.text)
        self.returned = back.at
        await self.place.say(self.afterwards)

    async def _write(self, who: str, text: str, thread: str) -> None:
        await self.room.write(who, text, thread, again=self.chance.random() < AGAIN)

    async def _customer_reads(self, words: str) -> None:
        await self._seen(self.place, self.place.chat(self.person), lambda told: words in told.text)

    async def _seen(self, platform: Place | StaffChat, chat: str, what: Callable[[Arrival], bool]) -> Arrival:
        """The first that is to be read there. Raises TimeoutError when nothing new appears any more."""
        looked, since = 0, time.monotonic()
        while time.monotonic() - since < PATIENCE:
            arrivals = platform.arrivals
            for arrival in arrivals[looked:]:
                if arrival.stored and arrival.chat == chat and what(arrival):
                    return arrival
            if len(arrivals) > looked:
                looked, since = len(arrivals), time.monotonic()
            await asyncio.sleep(0.2)
        raise TimeoutError
