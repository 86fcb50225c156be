"""How the log is written: structlog, for people or as JSON lines, on standard error.

No message text is logged at info level or above, and no secret at any. It must not know who logs what.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Literal

import structlog

from bot.errors import FirstlineError

SECRETS = re.compile(r"\b(xox[a-z]-[\w-]+|xapp-[\w-]+|\d{6,}:[\w-]{30,})|(?<=://)[^\s/:@]*:[^\s/@]+(?=@)")
"""Tokens of Slack and Telegram, and passwords in addresses, wherever they turn up, for example where a request has failed."""

SHORTEST_SECRET = 6
"""Characters; what is shorter would blank half of the log."""

CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

NOISY = (
    *("httpx", "httpcore", "telegram", "slack_bolt", "slack_sdk", "aiohttp"),
    *("alembic", "asyncio", "procrastinate", "uvicorn", "opentelemetry", "urllib3"),
)


_known: set[str] = set()


def configure(form: Literal["console", "json"], level: str, secrets: Iterable[str] = ()) -> None:
    """``secrets`` as in ``know``."""
    know(secrets)
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
        *([] if form == "json" else [on_one_line]),
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
        event[key] = _redacted(value)
    return event


def know(secrets: Iterable[str]) -> None:
    """The secrets of this installation, which no pattern would find, are never shown from here on."""
    _known.update(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)


def redacted(text: str) -> str:
    """The text without any secret of this installation, as far as it is one that the log knows."""
    text = SECRETS.sub("[secret]", text)
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    return text


def _redacted(value: Any) -> Any:
    match value:
        case str():
            return redacted(value)
        case Mapping():
            return {key: _redacted(item) for key, item in value.items()}
        case list() | tuple():
            return [_redacted(item) for item in value]
        case BaseException() | bytes() | Path():
            return redacted(repr(value))
    return value


def on_one_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What somebody else has named must not look like a line of ours, nor steer the terminal. JSON escapes it anyhow."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return event
