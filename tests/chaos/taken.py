"""The invariants of a talk that a person has taken over, checked from outside: the bot is silent, what is for staff stays with
them, and they read all that their customer writes.

Pure. It must not know our tables, nor believe anything that the bot says of itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tests.chaos.checker import IN_FLIGHT, Findings, Said, Trouble, copies, doubtful, tokens_in
from tests.loopback.journal import Arrival


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A person has had the word in ``chat``; ``released`` is when they have given it back, ``returned`` when they read that
    it is so. None: it has not come to that.
    """

    chat: str
    released: float | None = None
    returned: float | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A file of a customer's of which the platform was told that it has arrived."""

    chat: str
    name: str
    content: bytes


@dataclass(frozen=True)
class Desk:
    """``arrivals`` are those in the chat of staff, ``unsure`` the texts of which the bot itself says that they may be missing.

    ``whose`` gives the chats of the customers whom a text names, ``words`` the tokens of customers' messages that it quotes.
    ``notice`` is what a customer reads when somebody has taken over, ``back`` what staff read when the bot has the word again, and
    ``ours`` finds what no customer may read.
    """

    arrivals: Sequence[Arrival]
    taken: Sequence[TakeOver]
    files: Sequence[Sent]
    whose: Callable[[str], set[str]]
    words: Callable[[str], set[str]]
    notice: str
    back: str
    ours: re.Pattern[str]
    unsure: Sequence[str] = ()

    @cached_property
    def threads(self) -> Mapping[str, set[str]]:
        """The chats of the customers who are named in each."""
        found: dict[str, set[str]] = defaultdict(set)
        for arrival in self.arrivals:
            if arrival.stored and arrival.thread:
                found[arrival.thread] |= self.whose(arrival.text)
        return found


def read_by_staff(
    desk: Desk, said: Sequence[Said], arrivals: Sequence[Arrival], tokens: re.Pattern[str]
) -> set[tuple[str, str]]:
    """(chat, token) of what needs no answer of the bot's: staff have it in the thread of its ticket, and a person had the word.

    That was so if nothing later had been answered when they took over, nothing earlier was answered after that, and nobody had
    yet read that the bot has the word again.
    """
    quoted = {
        (chat, token)
        for arrival in desk.arrivals
        if arrival.stored
        for chat in desk.threads.get(arrival.thread, ())
        for token in desk.words(arrival.text)
    }
    first: dict[tuple[str, str], float] = {}
    for arrival in sorted(arrivals, key=lambda arrival: arrival.at):
        if arrival.stored:
            for token in tokens_in(arrival.text, tokens):
                first.setdefault((arrival.chat, token), arrival.at)
    found = set()
    for each in desk.taken:
        begin = _begin(each, desk, arrivals)
        if begin is None:
            continue
        theirs = [message for message in said if message.chat == each.chat and message.by == "customer"]
        answered = [first.get((message.chat, message.token)) for message in theirs]
        for place, message in enumerate(theirs):
            key = message.chat, message.token
            if (
                key in quoted
                and (each.returned is None or message.at < each.returned)
                and not any(at is not None and at < begin for at in answered[place + 1 :])
                and not any(at is not None and at > begin for at in answered[:place])
            ):
                found.add(key)
    return found


def check_desk(
    findings: Findings,
    desk: Desk,
    arrivals: Sequence[Arrival],
    troubles: Collection[Trouble],
    replies: re.Pattern[str],
) -> Findings:
    """``findings`` and what is wrong with what staff read and do; ``arrivals`` are customers', ``replies`` finds those of staff."""
    lost, left = _missing(desk, arrivals)
    in_doubt = doubtful(desk.arrivals, troubles)
    count, unexplained = copies(desk.arrivals, in_doubt)
    figures = dict(findings.counts)
    figures |= {"sends": figures["sends"] + len(desk.arrivals), "in doubt": figures["in doubt"] + len(in_doubt)}
    figures |= {"copies": figures["copies"] + count, "taken over": len(desk.taken), "files": len(desk.files)}
    return replace(
        findings,
        lost=[*findings.lost, *lost],
        left_to_people=[*findings.left_to_people, *left],
        doubled=[*findings.doubled, *unexplained],
        strays=[*findings.strays, *_mixed(desk)],
        leaked=_leaked(desk, arrivals),
        talked_over=_talked_over(desk, arrivals, troubles, replies),
        counts=figures,
    )


def _begin(taken: TakeOver, desk: Desk, arrivals: Sequence[Arrival]) -> float | None:
    """When the customer could read that a person has taken over: all that the bot had begun to send before has arrived by then."""
    read = (a.at for a in arrivals if a.stored and a.chat == taken.chat and desk.notice in a.text)
    return min(read, default=None)


def _missing(desk: Desk, arrivals: Sequence[Arrival]) -> tuple[list[str], list[str]]:
    """Files that staff cannot open, and take-overs that nobody was told of."""
    lost: list[str] = []
    left: list[str] = []
    there = {
        (chat, arrival.file, arrival.content)
        for arrival in desk.arrivals
        if arrival.stored and arrival.file
        for chat in desk.threads.get(arrival.thread, ())
    }
    for file in desk.files:
        if (file.chat, file.name, file.content) not in there:
            where = left if any(file.name in text for text in desk.unsure) else lost
            where.append(f"{file.name} of chat {file.chat} is not there for staff")
    for taken in desk.taken:
        if _begin(taken, desk, arrivals) is None:
            where = left if any(desk.notice in text for text in desk.unsure) else lost
            where.append(f"nobody in chat {taken.chat} read that a person has taken over")
        elif taken.returned is None:
            where = left if any(desk.back in text for text in desk.unsure) else lost
            where.append(f"staff never read that the bot has the word in chat {taken.chat} again")
    return lost, left


def _talked_over(
    desk: Desk, arrivals: Sequence[Arrival], troubles: Collection[Trouble], replies: re.Pattern[str]
) -> list[str]:
    """What the bot has said between the customer's reading that a person has taken over, and that person's giving the word back.

    A process that stood still meanwhile may have been in the middle of a send, which nobody can call back.
    """
    found = []
    for taken in desk.taken:
        begin = _begin(taken, desk, arrivals)
        if begin is None:
            continue
        for arrival in arrivals:
            if arrival.chat != taken.chat or not arrival.stored or replies.search(arrival.text):
                continue
            if desk.notice in arrival.text or not begin < arrival.at < (taken.released or float("inf")):
                continue
            if not any(t.stood_still and t.begin <= begin and 0 <= arrival.at - t.end <= IN_FLIGHT for t in troubles):
                found.append(
                    f"{arrival.text[:60]!r} in chat {taken.chat}, {arrival.at - begin:.1f} s after the take-over"
                )
    return found


def _leaked(desk: Desk, arrivals: Sequence[Arrival]) -> list[str]:
    return [f"{a.text[:60]!r} in chat {a.chat}" for a in arrivals if a.stored and desk.ours.search(a.text)]


def _mixed(desk: Desk) -> list[str]:
    """A thread belongs to one customer."""
    return [
        f"chats {', '.join(sorted(chats))} in one thread of staff" for chats in desk.threads.values() if len(chats) > 1
    ]
