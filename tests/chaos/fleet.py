"""Real processes of ``firstline run``: started, killed, stopped and continued from outside, as an operating system would, and
started again by a supervisor when they end by themselves.

It must not know what they do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import free_port

RESTART_AFTER = 1.0
"""Seconds."""
FIRSTLINE = Path(sys.executable).with_name("firstline")
HURRIED = (sys.executable, "-m", "tests.chaos.hurried")
_TESTS = Path(__file__).resolve().parents[2]
"""Where a process finds the modules of the tests, whatever its own folder is."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """``settings`` and nothing else of Firstline's, whatever the caller's own environment has."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FIRSTLINE_")}
    return (
        inherited
        | {"PYTHONPATH": str(_TESTS)}
        | {f"FIRSTLINE_{name.upper()}": value for name, value in settings.items()}
    )


async def firstline(*arguments: str, settings: Mapping[str, str], folder: Path) -> str:
    """What a command prints. Raises CalledProcessError."""
    process = await asyncio.create_subprocess_exec(
        FIRSTLINE, *arguments, env=environment(settings), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, errors = await process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments, out, errors)
    return out.decode()


@dataclass
class Bot:
    """One process after the other, all with the same settings. Each writes a log of its own, ``folder/name-1.log`` and so on.

    ``program`` is what is run, with its first arguments. ``fell`` has what those said at last that ended without having been asked
    to, as one does that starts without a database.
    """

    name: str
    settings: Mapping[str, str]
    folder: Path
    program: Sequence[str] = (str(FIRSTLINE),)
    port: int = field(default_factory=free_port)
    fell: list[str] = field(default_factory=list)
    still: bool = False
    """It has been stopped and not continued."""
    _lives: int = 0
    _process: Any = None
    _watching: asyncio.Task[None] | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        self._lives += 1
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.program,
                "run",
                env=environment({**self.settings, "web_port": str(self.port)}),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self.still = False
        self._watching = asyncio.create_task(self._supervise())

    async def _supervise(self) -> None:
        await self._process.wait()
        self.fell.append("\n".join(self._log.read_text(errors="replace").splitlines()[-5:]))
        await asyncio.sleep(RESTART_AFTER)
        async with self._starting:
            await self.start()

    async def _unsupervised(self) -> None:
        async with self._starting:  # a process that is just being started must not get away
            if self._watching is not None:
                self._watching.cancel()
                await asyncio.gather(self._watching, return_exceptions=True)

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}-{self._lives}.log"

    async def begun(self) -> None:
        """Wait until it says that it is at work, or has ended."""
        while self.alive and b'"started"' not in self._log.read_bytes():
            await asyncio.sleep(0.1)

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        await self._unsupervised()
        self._signal(signal.SIGKILL)
        await self._process.wait()

    def stop_still(self) -> None:
        self._signal(signal.SIGSTOP)
        self.still = True

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)
        self.still = False

    async def end(self, within: float = 30) -> int:
        """Ask it to stop; its exit status. Killed when it does not."""
        await self._unsupervised()
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within):
                return int(await self._process.wait())
        except TimeoutError:
            await self.kill()
            return -signal.SIGKILL

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            self._process.send_signal(number)
