"""Ports for servers of tests that nobody else takes meanwhile: no other worker, and no connection that calls out.

The system's own choice comes from the range in which every connection on the machine looks for a port of its own.
"""

from __future__ import annotations

import contextlib
import os
import socket
from itertools import count

_numbers = count()


def free_port() -> int:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = 20_000 + 1_000 * (worker % 10) + next(_numbers) % 1_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
