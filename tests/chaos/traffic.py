"""What customers say in a storm: many chats on two platforms, each message with a token that its reply brings back.

A press stands between two texts, so that no two texts become one turn, and each message must have a reply of its own. Some are
delivered twice. It must not know who answers.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tests.chaos.checker import TICKET, Said
from tests.chaos.taken import Sent
from tests.integration.tools import folder
from tests.loopback.journal import Arrival
from tests.loopback.slack import TEAM, LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram

TOKENS = re.compile(r"(?<=Antwort )k\d\d(?=\.)")
REPORT = folder.TOPICS["in_scope/crash"][1]["de"][0]
_WORDS = (
    "Archiv Bestellung Drucker Etikett Inventur Kalender Kantine Lizenz Mandant Parkplatz Rechnung Reisekosten Schichtplan "
    "Signatur Vorlage Zeiterfassung"
)
TOPICS = {f"k{number:02}": word for number, word in enumerate(_WORDS.split())}
AGAIN = 0.2
"""How many of the messages are delivered a second time."""
WITH_FILE = 0.3
"""How many of the texts bring a file along, from the report on: then there is a ticket to which it belongs."""
_CUSTOMER = re.compile(r"\b(?:Ada (\d+)|ada(\d+)|U1(\d{3,}))\b")
"""By name; or, where Slack could not be asked for it in time, by the name to sign in with, or the id."""


def write_intents(path: Path) -> None:
    """A small catalogue with an article for each token."""
    intents = folder.small(path)
    for token, word in TOPICS.items():
        german = [
            f"Wo finde ich {word}?",
            f"{word} suchen",
            f"Hinweise zu {word} bitte",
            f"Stichwort {word}",
            f"Was gilt bei {word}",
        ]
        english = [
            f"Where is {word}?",
            f"search {word}",
            f"hints on {word} please",
            f"the word {word}",
            f"what holds for {word}",
        ]
        intents.topic(f"faq/{token}", "in_scope.usage", {"de": german, "en": english}, {"de": [], "en": []})


@dataclass(frozen=True, slots=True)
class Line:
    """The message number ``place`` of a person; ``at`` and ``again`` are seconds after the beginning. ``file`` is a name."""

    person: int
    place: int
    token: str
    at: float
    again: float | None
    file: str = ""

    @property
    def kind(self) -> Literal["text", "press"]:
        return "press" if self.place % 2 else "text"

    @property
    def text(self) -> str:
        return REPORT if self.token == TICKET else f"Wo finde ich {TOPICS[self.token]}?"

    @property
    def action(self) -> str:
        return f"topic:{self.token}"

    @property
    def content(self) -> bytes:
        return f"{self.file} {self.text}\n".encode() * 500


def more(lines: Sequence[Line], count: int) -> list[Line]:
    """What the person of these ``lines`` may say besides, whenever there is a reason to; the first brings a file."""
    spoken = {line.token for line in lines}
    tokens = [token for token in TOPICS if token not in spoken][:count]
    person, next_ = lines[0].person, len(lines) + len(lines) % 2
    names = [f"log-{person}-{next_}.txt", *[""] * (count - 1)]
    return [
        Line(person, next_ + n, token, 0, None, name) for n, (token, name) in enumerate(zip(tokens, names, strict=True))
    ]


def name_of(person: int) -> str:
    return f"Ada {person}"


def customers_in(text: str) -> set[int]:
    """Whom a text names."""
    return {int("".join(numbers)) for numbers in _CUSTOMER.findall(text)}


def quoted_in(text: str) -> set[str]:
    """The tokens of the messages that a text repeats, other than reports, as they were written or pressed."""
    words = set(re.findall(r"\w+", text))
    return {token for token, word in TOPICS.items() if word in words or f"topic:{token}" in text}


def script(chance: random.Random, messages: int, per_chat: int, seconds: float) -> list[list[Line]]:
    """What each person says, in order: articles asked for by text and by button, and one report that must become a ticket."""
    persons = []
    for person in range(-(-messages // per_chat)):
        tokens = chance.sample(sorted(TOPICS), per_chat)
        report = chance.randrange(0, per_chat, 2)
        tokens[report] = TICKET
        moments = sorted(chance.uniform(0, seconds) for _ in tokens)
        lines = []
        for place, (token, at) in enumerate(zip(tokens, moments, strict=True)):
            again = at + chance.uniform(0, 10) if chance.random() < AGAIN else None
            brings = place >= report and place % 2 == 0 and chance.random() < WITH_FILE
            lines.append(Line(person, place, token, at, again, f"log-{person}-{place}.txt" if brings else ""))
        persons.append(lines)
    return persons


class Place(Protocol):
    """A platform as its customers see it."""

    def chat(self, person: int) -> str:
        """What the platform's journal calls the chat."""

    async def say(self, line: Line) -> None:
        """Send it; returns when the platform could deliver what comes after it without changing the order."""

    async def repeat(self, line: Line) -> None:
        """Deliver it once more, as another delivery."""

    def accepted(self) -> Set[Line]:
        """The messages of which the platform was told that they have arrived."""

    @property
    def moments(self) -> Mapping[Line, float]:
        """When each was said, by the clock of the arrivals."""

    @property
    def arrivals(self) -> Sequence[Arrival]: ...


@dataclass
class Telegram:
    server: LoopbackTelegram
    moments: dict[Line, float] = field(default_factory=dict)
    _updates: dict[Line, int] = field(default_factory=dict)

    def chat(self, person: int) -> str:
        return str(1000 + person)

    async def say(self, line: Line) -> None:
        """Telegram keeps the order of its updates itself."""
        self.moments[line] = time.monotonic()
        self._updates[line] = await self._push(line)

    async def repeat(self, line: Line) -> None:
        await self._push(line)

    async def _push(self, line: Line) -> int:
        number = 1000 + line.person
        self.server.chats.add(number)
        person = {"id": number, "is_bot": False, "first_name": name_of(line.person)}
        chat = {"id": number, "type": "private", "first_name": person["first_name"]}
        message = {"message_id": 10 + line.place, "date": int(time.time()), "chat": chat}
        if line.file:
            ref = f"file-{line.file}"
            self.server.files[ref] = line.content
            about = {"file_id": ref, "file_unique_id": ref, "file_name": line.file, "file_size": len(line.content)}
            said = {"caption": line.text, "document": about | {"mime_type": "text/plain"}}
            return await self.server.push(message={**message, "from": person, **said})
        if line.kind == "text":
            return await self.server.push(message={**message, "from": person, "text": line.text})
        query = f"{number}-{line.place}"
        self.server.presses.add(query)
        return await self.server.push(
            callback_query={"id": query, "from": person, "message": message, "chat_instance": "1", "data": line.action}
        )

    def accepted(self) -> Set[Line]:
        confirmed = set(self.server.confirmed)
        return {line for line, update in self._updates.items() if update in confirmed}

    @property
    def arrivals(self) -> Sequence[Arrival]:
        return self.server.journal.arrivals


@dataclass
class Slack:
    """Over a socket, of which each process has one."""

    server: LoopbackSlack
    moments: dict[Line, float] = field(default_factory=dict)
    _names: dict[Line, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def chat(self, person: int) -> str:
        return f"D{1000 + person}"

    async def say(self, line: Line) -> None:
        """Slack promises no order, so people who want an answer in order wait until it has arrived."""
        self.moments[line] = time.monotonic()
        name = self._names[line] = self._push(line)
        while name not in self.server.acknowledged:
            await asyncio.sleep(0.1)

    async def repeat(self, line: Line) -> None:
        self._push(line)

    def _push(self, line: Line) -> str:
        user, channel, ts = f"U{1000 + line.person}", self.chat(line.person), f"1700000000.{100 + line.place:06}"
        self.server.channels.add(channel)
        self.server.people[user] = name_of(line.person)
        delivery = next(self._numbers)
        if line.kind == "press":
            button = {"type": "button", "action_id": f"0:{line.action}", "value": line.action, "action_ts": ts}
            press: dict[str, Any] = {
                "type": "block_actions",
                "team": {"id": TEAM},
                "user": {"id": user, "name": f"ada{line.person}", "team_id": TEAM},
                "container": {"type": "message", "message_ts": "1700000000.000001", "channel_id": channel},
                "channel": {"id": channel},
                "message": {"type": "message", "ts": "1700000000.000001", "text": "?"},
                "trigger_id": f"trigger{delivery}",
                "actions": [button | {"text": {"type": "plain_text", "text": TOPICS[line.token], "emoji": True}}],
            }
            return self.server.push(press, kind="interactive")
        message = {"type": "message", "channel": channel, "channel_type": "im", "user": user, "team": TEAM}
        event = {**message, "text": line.text, "ts": ts, **(self._shared(line) if line.file else {})}
        return self.server.push(
            {"type": "event_callback", "event_id": f"Ev-storm-{delivery}", "team_id": TEAM, "event": event}
        )

    def _shared(self, line: Line) -> dict[str, Any]:
        ref = f"F{line.person}X{line.place}"
        about = {"id": ref, "name": line.file, "mimetype": "text/plain", "size": len(line.content), "mode": "hosted"}
        address = f"{self.server.url}/files-pri/{ref}"
        self.server.files[ref] = about | {"url_private": address, "url_private_download": address}
        self.server.contents[ref] = line.content
        return {"subtype": "file_share", "files": [about]}

    def accepted(self) -> Set[Line]:
        acknowledged = set(self.server.acknowledged)
        return {line for line, name in self._names.items() if name in acknowledged}

    @property
    def arrivals(self) -> Sequence[Arrival]:
        return self.server.journal.arrivals


def speaks_in(places: Sequence[Place], person: int) -> Place:
    return places[person % len(places)]


async def speak(place: Place, lines: Sequence[Line]) -> None:
    """One person's messages, in order and not before their times, while others speak."""
    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for line in lines:
            await _at(begin + line.at)
            await place.say(line)
            if line.again is not None:
                group.create_task(_repeat(place, line, begin + line.again))


async def _repeat(place: Place, line: Line, moment: float) -> None:
    await _at(moment)
    await place.repeat(line)


async def _at(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


def said(places: Sequence[Place], persons: Sequence[Sequence[Line]]) -> list[Said]:
    """Of each person what they have said so far, in that order."""
    accepted = _accepted(places)
    uttered = [
        Said(place.chat(line.person), line.token, line in accepted, at=place.moments[line])
        for lines in persons
        for line in lines
        for place in [speaks_in(places, line.person)]
        if line in place.moments
    ]
    return sorted(uttered, key=lambda message: message.at)


def files(places: Sequence[Place], persons: Sequence[Sequence[Line]]) -> list[Sent]:
    accepted = _accepted(places)
    return [
        Sent(speaks_in(places, line.person).chat(line.person), line.file, line.content)
        for lines in persons
        for line in lines
        if line.file and line in accepted
    ]


def _accepted(places: Sequence[Place]) -> Set[Line]:
    return set[Line]().union(*(place.accepted() for place in places))
