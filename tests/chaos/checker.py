"""The invariants of messaging, checked from outside: what customers said, what their platforms were given to show, and when
somebody was killed meanwhile.

Pure. It must not know our tables, nor believe anything that the bot says of itself.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Literal

from tests.loopback.journal import Arrival

TICKET = "ticket"
"""The token of a message that must be answered with the number of a ticket; a chat has one at most."""

IN_FLIGHT = 1.5
"""Seconds that may lie between a platform's answer and its being noted; whoever dies within them leaves the send in doubt."""

_KEY = re.compile(r"\bHD-\d{6}\b")


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a customer. ``token`` comes back in its reply; ``accepted``: the platform was told that it has arrived.

    Or a reply ``by`` staff, which the customer reads with its token. ``at`` is when it was said, by the clock of the arrivals.
    """

    chat: str
    token: str
    accepted: bool = True
    by: Literal["customer", "staff"] = "customer"
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """From ``begin`` to ``end``, in seconds of the clock of the arrivals, a process or the database was not itself.

    ``stood_still``: a process, which then went on with what it was doing.
    """

    begin: float
    end: float
    stood_still: bool = False

    def covers(self, moment: float) -> bool:
        return self.begin - IN_FLIGHT <= moment <= self.end + IN_FLIGHT


@dataclass(frozen=True)
class Findings:
    """What was found, each as a sentence; the counts are for the record."""

    lost: Sequence[str] = ()
    doubled: Sequence[str] = ()
    """Effects that happened twice: a second ticket for one message, a copy of a reply that nothing explains."""
    disordered: Sequence[str] = ()
    strays: Sequence[str] = ()
    """Replies to something that was never said in that chat."""
    leaked: Sequence[str] = ()
    """Words for staff alone that a customer could read."""
    talked_over: Sequence[str] = ()
    """What the bot has said while a person had the word."""
    left_to_people: Sequence[str] = ()
    """Replies that may have arrived and did not, given up after a second try, and shown to people."""
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def violations(self) -> list[str]:
        return [
            f"{what}: {sentence}"
            for what, found in (
                ("lost", self.lost),
                ("done twice", self.doubled),
                ("out of order", self.disordered),
                ("never asked for", self.strays),
                ("for staff alone", self.leaked),
                ("talked over a person", self.talked_over),
            )
            for sentence in found
        ]


def check(
    said: Sequence[Said],
    arrivals: Iterable[Arrival],
    troubles: Collection[Trouble],
    tokens: re.Pattern[str],
    shown_to_people: Collection[tuple[str, str]] = (),
    with_people: Collection[tuple[str, str]] = (),
) -> Findings:
    """Hold what arrived where customers are against what was ``said``, which is in the order of each chat.

    ``tokens`` finds tokens in replies, a ticket's number is one anyway. ``shown_to_people``: (chat, token) of replies that
    staff can see as uncertain; believed only where the platform has left a send of that chat without an answer, or somebody
    was in trouble. ``with_people``: (chat, token) of messages that need no reply, since a person has read them.
    """
    arrivals = sorted(arrivals, key=lambda arrival: arrival.at)
    stored = [arrival for arrival in arrivals if arrival.stored]
    in_doubt = doubtful(arrivals, troubles)
    replies: dict[str, list[str]] = defaultdict(list)
    for arrival in stored:
        replies[arrival.chat] += tokens_in(arrival.text, tokens)
    unanswered = [m for m in said if m.accepted and m.token not in replies.get(m.chat, ())]
    unread = [message for message in unanswered if (message.chat, message.token) not in with_people]
    lost, left = _missing(unread, in_doubt, troubles, shown_to_people)
    count, unexplained = copies(arrivals, in_doubt)
    return Findings(
        lost=lost,
        doubled=[*_tickets(said, stored), *unexplained],
        disordered=_order(said, replies),
        strays=_strays(said, replies),
        left_to_people=left,
        counts={
            "messages": len(said),
            "sends": len(arrivals),
            "arrived": len(stored),
            "in doubt": len(in_doubt),
            "copies": count,
            "read by staff instead": len(unanswered) - len(unread),
        },
    )


def doubtful(arrivals: Iterable[Arrival], troubles: Collection[Trouble]) -> list[Arrival]:
    """The sends whose sender need not know what became of them."""
    return [a for a in arrivals if not a.told or any(trouble.covers(a.at) for trouble in troubles)]


def tokens_in(text: str, tokens: re.Pattern[str]) -> list[str]:
    """The tokens that a reply brings back, in its order."""
    return [*tokens.findall(text), *([TICKET] if _KEY.search(text) else [])]


def _missing(
    unanswered: Sequence[Said],
    in_doubt: Collection[Arrival],
    troubles: Collection[Trouble],
    shown_to_people: Collection[tuple[str, str]],
) -> tuple[list[str], list[str]]:
    lost: list[str] = []
    left: list[str] = []
    for message in unanswered:
        excused = any(a.chat == message.chat for a in in_doubt) or bool(troubles)
        where = left if excused and (message.chat, message.token) in shown_to_people else lost
        where.append(f"{message.token} in chat {message.chat} has no reply")
    return lost, left


def _tickets(said: Sequence[Said], stored: Sequence[Arrival]) -> list[str]:
    """A message opens one ticket, and a ticket is one chat's."""
    asked = Counter(message.chat for message in said if message.token == TICKET)
    told: dict[str, dict[str, None]] = defaultdict(dict)
    owner: dict[str, str] = {}
    found = []
    for arrival in stored:
        for key in _KEY.findall(arrival.text):
            told[arrival.chat][key] = None
            if owner.setdefault(key, arrival.chat) != arrival.chat:
                found.append(f"{key} was told in chat {owner[key]} and in chat {arrival.chat}")
    found += [
        f"{asked[chat]} messages in chat {chat} opened {', '.join(keys)}"
        for chat, keys in told.items()
        if len(keys) > asked[chat]
    ]
    return found


def copies(arrivals: Iterable[Arrival], in_doubt: Collection[Arrival]) -> tuple[int, list[str]]:
    """How many copies there are, and those that follow a send whose outcome the sender knew."""
    unknown = {id(arrival) for arrival in in_doubt}
    before: dict[tuple[str, str, str, str], Arrival] = {}
    count, unexplained = 0, []
    for arrival in sorted(arrivals, key=lambda arrival: arrival.at):
        if not arrival.stored:
            continue
        place = arrival.chat, arrival.thread, arrival.text, arrival.file
        earlier = before.get(place)
        before[place] = arrival
        if earlier is None:
            continue
        count += 1
        if id(earlier) not in unknown:
            what = arrival.text or arrival.file
            unexplained.append(f"chat {arrival.chat} got a copy of {what[:60]!r} after {arrival.at - earlier.at:.1f} s")
    return count, unexplained


def _order(said: Sequence[Said], replies: Mapping[str, Sequence[str]]) -> list[str]:
    """First replies follow the order of the messages, and replies of staff that in which they were given; a copy may come later."""
    found = []
    for (chat, by), messages in groupby(sorted(said, key=_talk), key=_talk):
        place = {message.token: n for n, message in enumerate(messages)}
        order = [token for token in dict.fromkeys(replies.get(chat, ())) if token in place]
        to = "to " if by == "customer" else ""
        found += [
            f"in chat {chat} the reply {to}{later} came before that {to or 'which is '}{earlier}"
            for later, earlier in pairwise(order)
            if place[later] > place[earlier]
        ]
    return found


def _talk(message: Said) -> tuple[str, str]:
    return message.chat, message.by


def _strays(said: Sequence[Said], replies: Mapping[str, Sequence[str]]) -> list[str]:
    asked = {(message.chat, message.token) for message in said}
    return [
        f"{token} in chat {chat}"
        for chat, tokens in replies.items()
        for token in set(tokens)
        if (chat, token) not in asked
    ]
