"""Chooses who is told of the work: metrics and probes, if a port for them is set.

It must not know how they are made. Their packages are an extra and are imported only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.config import Settings
from bot.errors import SettingsError
from bot.observing import Observe, unobserved
from bot.operations.status import Insight

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


@dataclass(frozen=True)
class Watching:
    """``routes`` are served at ``address`` for operators, if that is set."""

    observe: Observe = unobserved
    routes: Sequence[BaseRoute] = ()
    address: tuple[str, int] | None = None


def watching(settings: Settings, insight: Insight, adapters: Sequence[str]) -> Watching:
    """Raises SettingsError when a port is set and the packages for it are missing."""
    if settings.operations_port is None:
        return Watching()
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
    return Watching(metrics.observe, endpoints.routes(insight, metrics), address)
