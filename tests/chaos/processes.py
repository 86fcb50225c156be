"""Processes of the harness: forked from one that has imported everything, so that each starts in milliseconds."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from typing import Any

from tests.chaos import harness
from tests.chaos.harness import Life

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["__main__", "tests.chaos.harness"])


def start(work: Callable[..., None], *arguments: object) -> Any:
    process = _processes.Process(target=work, args=arguments)
    process.start()
    return process


async def end(process: Any, within: float = 90) -> int | None:
    await asyncio.to_thread(process.join, within)
    code: int | None = process.exitcode
    process.close()
    return code


async def live(life: Life) -> int | None:
    return await end(start(harness.live, life))
