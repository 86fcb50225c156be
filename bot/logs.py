"""How the log is written: structlog, for people or as JSON lines, on standard error.

No message text is logged at info level or above, and no secret at any. It must not know who logs what.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal

import structlog

from bot.errors import FirstlineError

SECRETS = re.compile(r"\b(xox[a-z]-[\w-]+|xapp-[\w-]+|\d{6,}:[\w-]{30,})")
"""Tokens of Slack and Telegram wherever they turn up, for example in the address of a failed request."""

NOISY = (
    *("httpx", "httpcore", "telegram", "slack_bolt", "slack_sdk", "aiohttp"),
    *("alembic", "asyncio", "procrastinate", "uvicorn", "opentelemetry", "urllib3"),
)


def configure(form: Literal["console", "json"], level: str) -> None:
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_secrets,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in NOISY:
        # The SDKs log addresses that contain tokens, and whole payloads, at info and debug.
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    # It prints answers that it cannot read, which may hold what a customer wrote.
    logging.getLogger("telegram.request").setLevel(logging.CRITICAL)


def told(error: BaseException) -> str:
    """What may be logged of an error: its words if they are ours or the machine's, else only its kind and where it came about.

    Libraries quote what they cannot read, and that may be what a customer wrote.
    """
    if isinstance(error, FirstlineError | OSError):
        return f"{type(error).__name__}: {error}"
    passed = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(passed[-1].filename).name}:{passed[-1].lineno}" if passed else ""
    return type(error).__name__ + place


def without_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = SECRETS.sub("[secret]", value)
    return event
