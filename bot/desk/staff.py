"""The desk: everything that staff can do, gathered for whoever drives it, a chat's staff surface or the command line.

One transaction for each use case; races have one winner. It must not know from which surface a person acts.
"""

from __future__ import annotations

from bot.desk.attending import Attending
from bot.desk.case import TicketError
from bot.desk.incidents import Incidents
from bot.desk.keeping import Keeping
from bot.desk.threads import Threads

__all__ = ["Desk", "TicketError"]


class Desk(Threads, Keeping, Attending, Incidents):
    """Tickets are named by their number, staff by a Person whose id is the same on every surface."""
