"""Wakes the work that waits in the tables. A lost wake-up is only a delay: the sweeper finds what is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy.engine import URL

from bot.engine.embedded import EmbeddedEngine, Handler, Sweep

if TYPE_CHECKING:
    from bot.engine.procrastinate import ProcrastinateEngine

AnyEngine: TypeAlias = "EmbeddedEngine | ProcrastinateEngine"


def chosen(database: URL, handlers: Mapping[str, Handler], sweep: Sweep, *, shared: bool) -> AnyEngine:
    """The engine for ``database``. ``shared``: on PostgreSQL the lanes are those of all processes that work there."""
    if database.get_backend_name() == "sqlite" or not shared:
        return EmbeddedEngine(handlers, sweep)
    from bot.engine.procrastinate import ProcrastinateEngine  # of the extra that PostgreSQL needs

    return ProcrastinateEngine(
        database.set(drivername="postgresql").render_as_string(hide_password=False), handlers, sweep
    )
