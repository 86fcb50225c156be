"""What processes cost: CPU seconds and memory of a process with its children, as the operating system counts them; and where in
the program the time goes, by samples.

It must not know what the processes do.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

STEPS: Sequence[tuple[str, str]] = (
    ("understanding", r"bot/nlu/|fast_universal|rapidfuzz|threadpoolctl"),
    ("logging", r"structlog/|bot/logs"),
    ("wake-ups", r"procrastinate/|bot/engine/|psycopg_pool/"),
    ("database", r"sqlalchemy/|sqlite3|psycopg/|bot/storage/"),
    ("rendering", r"markdown_it/|adapters/markup|adapters/\w+/outbound"),
    (
        "calling platforms",
        r"httpx|httpcore|(?<!adapters/)telegram/|slack_sdk/web|aiohttp/|adapters/\w+/(sending|transport|client|courtesies)",
    ),
    ("being called", r"uvicorn/|starlette/|slack_bolt/|slack_sdk/|h11/|adapters/"),
    ("deciding and the desk", r"bot/dialogue/|bot/desk/|bot/catalogue/|bot/agreement/|bot/delivery|bot/room/"),
)
"""What a sample counts for: the first of these of which the innermost frames have one. The event loop is the rest."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds so far, and resident memory in MB, of some processes with all their children."""

    cpu: float
    memory: float


def cost(pids: Sequence[int]) -> Cost:
    """Of those that are alive. What ended children have used counts, too."""
    cpu = memory = 0.0
    seen: set[int] = set()
    for pid in pids:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            if each.pid in seen:
                continue
            seen.add(each.pid)
            times, info = each.cpu_times(), each.memory_info()
            cpu += times.user + times.system + times.children_user + times.children_system
            memory += info.rss / 1e6
    return Cost(cpu, memory)


def described() -> str:
    cpus = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", cpus.read_text()) if cpus.exists() else None
    load = psutil.getloadavg()[0]
    name = model[1] if model else platform.processor()
    return f"{psutil.cpu_count()} CPUs, {name}, {platform.system()}, Python {platform.python_version()}, load {load:.1f} before"


class Samples:
    """Looks at a process from outside with py-spy, until stopped. Needs the right to trace it."""

    def __init__(self, pid: int, file: Path) -> None:
        self._file = file
        spy = Path(sys.executable).with_name("py-spy")
        arguments = [
            "record",
            "--pid",
            str(pid),
            "--format",
            "raw",
            "--gil",
            "--rate",
            "100",
            "--duration",
            "unlimited",
        ]
        self._process = subprocess.Popen(
            [spy, *arguments, "--output", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> dict[str, float]:
        """The share of each step in the time on a CPU, the largest first."""
        self._process.send_signal(2)
        self._process.wait(30)
        counts: Counter[str] = Counter()
        for line in self._file.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            counts[step_of(stack.split(";"))] += int(count)
        return {step: count / max(1, counts.total()) for step, count in counts.most_common()}


def step_of(stack: Sequence[str]) -> str:
    """``stack`` is outermost first, each frame with its file."""
    for frame in reversed(stack):
        for step, pattern in STEPS:
            if re.search(pattern, frame):
                return step
    return "event loop and the rest"
