"""What is asked all the time does not read whole tables, however much they hold: SQLite's plans say so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.store import Session, Store
from tests.fakes import START

ASKED: dict[str, Callable[[Session], Awaitable[object]]] = {
    "what waits in the inbox": lambda session: session.inbox.waiting(),
    "what waits in the outbox": lambda session: session.outbox.waiting(),
    "what a lane sends next": lambda session: session.outbox.oldest("fake:c1", START),
    "what failed for good": lambda session: session.outbox.in_state("dead", "uncertain"),
    "what could not be handled": lambda session: session.inbox.dead(),
    "what is to be fetched": lambda session: session.attachments.waiting(START),
    "how long what waits has waited": lambda session: session.figures.queues(START),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
async def test_no_inbox_or_outbox_is_read_from_end_to_end(
    tmp_path: Path, asked: Callable[[Session], Awaitable[object]]
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'firstline.db'}")
    await migrate.upgrade(database)
    statements: list[tuple[str, Any]] = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool) -> None:
        statements.append((statement, parameters))

    async with Store(database).transaction() as session:
        await asked(session)
        for statement, parameters in [each for each in statements if each[0].startswith("SELECT")]:
            rows = await session.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = [str(row._mapping["detail"]) for row in rows]
            whole = [step for step in plan if step.startswith(("SCAN inbox", "SCAN outbox")) and "INDEX" not in step]
            assert whole == [], statement
    await database.close()
    assert statements
