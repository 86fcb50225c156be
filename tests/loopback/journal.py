"""What a loopback platform was asked to show to people, call by call: what arrived, and whether the sender could know.

It must not know any platform, nor who sends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.loopback.faults import Fault


@dataclass(frozen=True)
class Arrival:
    """One call that was to show ``text`` in ``chat``, ``at`` seconds of the monotonic clock.

    ``stored``: people see it now. ``told``: the sender got an answer that says whether they do. ``thread`` is the one in the chat
    in which it stands, if any; ``file`` the name of the file that it is, whose ``content`` people can open.
    """

    at: float
    chat: str
    text: str
    stored: bool = True
    told: bool = True
    thread: str = ""
    file: str = ""
    content: bytes = field(default=b"", repr=False)


@dataclass
class Journal:
    arrivals: list[Arrival] = field(default_factory=list)

    def note(
        self,
        chat: object,
        text: object,
        fault: Fault,
        *,
        stored: bool,
        thread: object = "",
        file: str = "",
        content: bytes = b"",
    ) -> None:
        """``fault`` is what the call met."""
        told = not (fault.drop or fault.hang or fault.cut or fault.html)
        moment = time.monotonic()
        self.arrivals.append(Arrival(moment, str(chat), str(text), stored, told, str(thread or ""), file, content))
