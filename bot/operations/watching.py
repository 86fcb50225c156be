"""Chooses who is told of the work: metrics and probes if a port for them is set, traces if the OTEL_ variables ask for them.

It must not know how either is made. Their packages are extras and are imported only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from bot.config import Settings
from bot.errors import SettingsError
from bot.observing import Observe, Step, tell, unobserved
from bot.operations.status import Insight

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from bot.operations.traces import Traces

log = structlog.get_logger(__name__)


def _nothing() -> None:
    """Nothing has been gathered."""


@dataclass(frozen=True)
class Watching:
    """``routes`` are served at ``address`` for operators, if that is set. ``close`` gives out what was gathered, and may block."""

    observe: Observe = unobserved
    routes: Sequence[BaseRoute] = ()
    address: tuple[str, int] | None = None
    close: Callable[[], None] = _nothing


def watching(settings: Settings, insight: Insight, adapters: Sequence[str]) -> Watching:
    """Raises SettingsError when a port is set and the packages for it are missing."""
    traces = _traces(settings.trace_exporters())
    told = [] if traces is None else [traces.observe]
    close = _nothing if traces is None else traces.close
    if settings.operations_port is None:
        return Watching(_all(told), close=close)
    try:
        from bot.operations import endpoints
        from bot.operations.metrics import Metrics
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"FIRSTLINE_OPERATIONS_PORT needs the package {error.name!r}, which is not installed: "
            "pip install 'firstline[metrics]'."
        ) from error
    metrics = Metrics(insight, adapters)
    address = (settings.operations_host, settings.operations_port)
    return Watching(_all([*told, metrics.observe]), endpoints.routes(insight, metrics), address, close)


def _traces(exporters: Sequence[str]) -> Traces | None:
    """None without a wish for them. The wish may be that of the whole machine, so that one we cannot fulfil stops nothing."""
    if not exporters:
        return None
    try:
        from bot.operations.traces import traces

        return traces(exporters)
    except ModuleNotFoundError as error:
        log.warning("no_traces", missing=error.name, remedy="pip install 'firstline[otel]', or OTEL_SDK_DISABLED=true")
    except SettingsError as error:
        log.warning("no_traces", error=str(error))
    return None


def _all(observers: Sequence[Observe]) -> Observe:
    if len(observers) < 2:
        return observers[0] if observers else unobserved

    def observe(step: Step) -> None:
        for each in observers:
            tell(each, step)

    return observe
