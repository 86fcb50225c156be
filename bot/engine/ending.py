"""Ends tasks for sure: in Python 3.11 ``asyncio.wait_for`` loses a cancellation that comes in the moment in which its result does.

Mended in 3.12. Pools of connections are built on it, and a task that goes on for ever would hold up the end of its process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

log = structlog.get_logger(__name__)


async def ended(tasks: Iterable[asyncio.Future[Any]], within: float) -> None:
    """Cancel ``tasks`` and wait until all have ended, however; what goes on for ``within`` seconds is cancelled again."""
    pending = {task for task in tasks if not task.done()}
    for task in pending:
        task.cancel()
    while pending:
        _, pending = await asyncio.wait(pending, timeout=within)
        for task in pending:
            log.warning("cancelled_again", task=repr(task))
            task.cancel()


def heed() -> None:
    """Raises CancelledError if the current task was cancelled and the cancellation has been lost."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
