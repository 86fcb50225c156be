"""How a desk works, as far as whoever runs it may choose. Frozen, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.model import Language


@dataclass(frozen=True, slots=True)
class Habits:
    """``undo``: how long a reply can be taken back before it is sent. ``close_after``: how long a customer may contradict that
    something is solved before the ticket is closed; as long, too, somebody who was asked something may be silent.
    """

    undo: timedelta = timedelta(seconds=10)
    close_after: timedelta = timedelta(days=3)
    staff_language: Language = "de"
