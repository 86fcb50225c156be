"""Brings together what belongs to one turn: a burst of messages of one person, with what was edited or taken away meanwhile. Pure.

It must not understand the messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.model import InboundMessage
from bot.storage.inbox import Received

LONGEST_TURN = 20
LATE = timedelta(minutes=10)
"""Between a customer's sending and our accepting; more than clocks are usually wrong by."""


@dataclass(frozen=True, slots=True)
class Burst:
    """``rows`` are handled together. ``text`` is what they say, in the newest version of each message.

    ``edit_of`` or ``deletion_of``: the only row changes a message that is not in this turn.
    """

    rows: tuple[Received, ...]
    text: str
    edit_of: str | None = None
    deletion_of: str | None = None

    @property
    def first(self) -> InboundMessage:
        return self.rows[0].message

    def without(self, secret: str) -> Burst:
        """The same, as if dots had been written in its place."""

        def blank(text: str) -> str:
            return text.replace(secret, "•" * len(secret))

        rows = (replace(row, message=replace(row.message, text=blank(row.message.text))) for row in self.rows)
        return replace(self, rows=tuple(rows), text=blank(self.text))


def oldest(waiting: Sequence[Received]) -> Burst:
    """The oldest messages that belong together: of one person, words and files only. A button press stands alone.

    An edit or a deletion is taken into the turn of its message where that is still waiting; else it is a turn of its own.
    """
    first = waiting[0]
    rows = [first]
    said: dict[str, str] = {}
    if _changes(first.message) is not None:
        return Burst((first,), first.message.text, first.message.edit_of, first.message.deletion_of)
    if _alone(first):
        return Burst((first,), first.message.text)
    said[first.message.message_id] = first.message.text
    for received in waiting[1:LONGEST_TURN]:
        message = received.message
        if message.sender.id != first.message.sender.id or _alone(received):
            break
        changed = _changes(message)
        if changed is None:
            said[message.message_id] = message.text
        elif changed in said:
            said[changed] = "" if message.deletion_of else message.text
        else:
            break
        rows.append(received)
    return Burst(tuple(rows), "\n".join(text for text in said.values() if text.strip()))


def late(rows: Sequence[Received]) -> dict[str, int]:
    """By id, the seconds that late messages took to arrive: the platform, or our intake, was away meanwhile."""
    delays = {str(row.id): row.received_at - row.message.sent_at for row in rows}
    return {number: round(delay.total_seconds()) for number, delay in delays.items() if delay > LATE}


def _alone(received: Received) -> bool:
    message = received.message
    return message.action is not None or message.invitation is not None or received.attempts > 0


def _changes(message: InboundMessage) -> str | None:
    return message.edit_of or message.deletion_of
