"""Customers under measurement: each has one message under way and says the next after its reply, so that the two can be matched.

They reach the bot as they would in life: Telegram calls with one update after the other, Slack with requests side by side. It
must not know how the bot works, nor how fast it should be.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp

from tests.loopback.journal import Journal
from tests.loopback.slack import TEAM, LoopbackSlack
from tests.loopback.slack_http import Caller
from tests.loopback.telegram import LoopbackTelegram

REST = 3.0
"""Seconds between a reply and the next message of the same chat; platforms allow one message a second in each."""
SAYS = 12
"""Messages of one person; then somebody new comes."""
PATIENCE = 60.0
"""Seconds after which nobody waits for a reply any more."""
REMEMBERED = 10_000
"""Replies after which a server may forget what it has seen; buttons of earlier ones are not pressed here."""
TRIES = 4
"""How often Slack delivers an event that is not acknowledged."""


@dataclass
class Person:
    place: Place
    number: int
    said: int = 0
    since: float = 0.0
    """When what is waited for was said, or when the last reply came; seconds of the monotonic clock."""


class Place(Protocol):
    journal: Journal
    took: list[float]
    """Seconds until each delivery was acknowledged."""

    def chat(self, person: Person) -> str:
        """What the journal calls the chat."""

    async def say(self, person: Person, text: str) -> None: ...

    def forget(self) -> None:
        """Drop what the server remembers and nobody asks for: a long run would fill the memory with it."""


@dataclass
class Telegram:
    server: LoopbackTelegram

    def __post_init__(self) -> None:
        self.journal, self.took = self.server.journal, self.server.webhook.took

    def chat(self, person: Person) -> str:
        return str(1000 + person.number)

    async def say(self, person: Person, text: str) -> None:
        number = 1000 + person.number
        self.server.chats.add(number)
        who = {"id": number, "is_bot": False, "first_name": f"Ada {number}"}
        chat = {"id": number, "type": "private", "first_name": who["first_name"]}
        message = {"message_id": 10 + person.said, "date": int(time.time()), "chat": chat, "from": who, "text": text}
        await self.server.push(message=message)

    def forget(self) -> None:
        self.server.calls.clear()
        self.server.sent.clear()
        self.server.written.clear()
        self.server.confirmed.clear()
        self.server.webhook.answers.clear()


@dataclass
class Slack:
    """``reach`` gives the address of a process, another one for each request."""

    server: LoopbackSlack
    reach: Callable[[], str]
    took: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = self.server.journal
        self._caller = Caller("")
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=3), connector=aiohttp.TCPConnector(limit=100)
        )
        self._numbers = itertools.count()

    async def close(self) -> None:
        await self._session.close()

    def chat(self, person: Person) -> str:
        return f"D{1000 + person.number}"

    async def say(self, person: Person, text: str) -> None:
        """Delivered until it is acknowledged, or given up. Raises ConnectionError then."""
        user, channel = f"U{1000 + person.number}", self.chat(person)
        self.server.channels.add(channel)
        self.server.people[user] = f"Ada {person.number}"
        ts = f"{int(time.time())}.{next(self._numbers):06}"
        event = {"type": "message", "channel": channel, "channel_type": "im", "user": user, "team": TEAM}
        payload = {
            "type": "event_callback",
            "event_id": f"Ev{ts}",
            "team_id": TEAM,
            "event": {**event, "text": text, "ts": ts},
        }
        content_type, body = self._caller.encoded(payload)
        for attempt in range(TRIES):
            headers = {**self._caller.signed(body), "Content-Type": content_type}
            if attempt:
                headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_error"}
            begin = time.monotonic()
            try:
                async with self._session.post(self.reach(), data=body, headers=headers) as answer:
                    await answer.read()
            except (aiohttp.ClientError, TimeoutError):
                self.took.append(time.monotonic() - begin)
                continue
            self.took.append(time.monotonic() - begin)
            if 200 <= answer.status < 300:
                return
        raise ConnectionError(f"{payload['event_id']} was not acknowledged")

    def forget(self) -> None:
        self.server.calls.clear()
        self.server.sent.clear()


@dataclass
class Crowd:
    """Says ``texts`` at a rate, whoever has time, and notes for each message when it was said and how long its reply took.

    ``shares`` are the parts of the messages that each place gets.
    """

    places: Sequence[Place]
    shares: Sequence[float]
    texts: Iterator[str]
    chance: random.Random
    replies: list[tuple[float, float]] = field(default_factory=list)
    """When a message was said, and the seconds until its first reply."""
    said: int = 0
    lost: list[str] = field(default_factory=list)
    """What was not acknowledged, or had no reply in time."""

    def __post_init__(self) -> None:
        self._waiting: dict[tuple[int, str], Person] = {}
        self._idle: list[deque[Person]] = [deque() for _ in self.places]
        self._numbers = itertools.count()
        self._seen = [0 for _ in self.places]

    def somebody_new(self, place: Place) -> Person:
        return Person(place, next(self._numbers))

    async def speak(self, rate: float, seconds: float) -> None:
        """Messages at random times, ``rate`` a second on the mean, whether or not there are replies."""
        due = time.monotonic()
        end = due + seconds
        async with asyncio.TaskGroup() as group:
            while due < end:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self.look()
                (where,) = self.chance.choices(range(len(self.places)), self.shares)
                group.create_task(self._say(where, self._somebody(where)))
                due += self.chance.expovariate(rate)

    def _somebody(self, where: int) -> Person:
        idle = self._idle[where]
        if idle and time.monotonic() - idle[0].since > REST:
            return idle.popleft()
        return self.somebody_new(self.places[where])

    async def _say(self, where: int, person: Person) -> None:
        person.said, person.since = person.said + 1, time.monotonic()
        self._waiting[where, person.place.chat(person)] = person
        self.said += 1
        try:
            await person.place.say(person, next(self.texts))
        except ConnectionError as error:
            self.lost.append(str(error))

    def look(self) -> None:
        """Read what has arrived since the last look."""
        for where, place in enumerate(self.places):
            arrivals = place.journal.arrivals
            for arrival in arrivals[self._seen[where] :]:
                person = self._waiting.pop((where, arrival.chat), None) if arrival.stored else None
                if person is None:
                    continue  # the second part of a reply, or somebody whom nobody counts
                self.replies.append((person.since, arrival.at - person.since))
                person.since = arrival.at
                if person.said < SAYS:
                    self._idle[where].append(person)
            self._seen[where] = len(arrivals)
            if len(arrivals) > REMEMBERED:
                arrivals.clear()
                self._seen[where] = 0
                place.forget()

    async def answered(self) -> None:
        """Wait for the replies that are still to come; what has none in time is lost."""
        while self._waiting:
            self.look()
            for key, person in list(self._waiting.items()):
                if time.monotonic() - person.since > PATIENCE:
                    self.lost.append(f"chat {key[1]}, message {person.said}: no reply")
                    del self._waiting[key]
            await asyncio.sleep(0.02)
