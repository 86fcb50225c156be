"""Ports for servers of tests that nobody else takes meanwhile: no other worker or run, and no connection that calls out.

The system's own choice comes from the range in which every connection on the machine looks for a port of its own.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from itertools import count

FIRST, COUNT = 20_000, 12_000
_numbers = count(os.getpid() * 37)
_signs: list[ExitStack] = []


def free_port() -> int:
    """It stays this process's until it ends, also while nobody listens there: a socket for UDP says so to all others."""
    while True:
        port = FIRST + next(_numbers) % COUNT
        with ExitStack() as held:
            sign = held.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            try:
                sign.bind(("127.0.0.1", port))
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _signs.append(held.pop_all())
            return port
