"""Wakes the work that waits in the tables. A lost wake-up is only a delay: the sweeper finds what is overdue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy.engine import URL

from bot.engine.embedded import EmbeddedEngine, Handler, OnlyProcess, Sweep
from bot.errors import SettingsError
from bot.ports import Leadership

if TYPE_CHECKING:
    from bot.engine.procrastinate import ProcrastinateEngine

AnyEngine: TypeAlias = "EmbeddedEngine | ProcrastinateEngine"


def chosen(
    database: URL, handlers: Mapping[str, Handler], sweep: Sweep, *, adapters: Collection[str], shared: bool
) -> tuple[AnyEngine, Leadership]:
    """What wakes the lanes of ``database``, and what lets one process lead.

    ``shared``: on PostgreSQL the lanes are those of all processes that work there, and ``adapters`` are those that this one has.
    Raises SettingsError when the packages for that are missing.
    """
    if database.get_backend_name() == "sqlite" or not shared:
        return EmbeddedEngine(handlers, sweep), OnlyProcess()
    try:
        from bot.engine.advisory import AdvisoryLeadership
        from bot.engine.procrastinate import ProcrastinateEngine
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"FIRSTLINE_DATABASE_URL is a PostgreSQL, which needs the package {error.name!r}, and that is not installed: "
            "pip install 'firstline[postgres]', or leave it unset for the embedded database."
        ) from error
    address = database.set(drivername="postgresql").render_as_string(hide_password=False)
    return ProcrastinateEngine(address, handlers, sweep, adapters=adapters), AdvisoryLeadership(address)
