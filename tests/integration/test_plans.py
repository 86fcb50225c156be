"""What is asked all the time does not read whole tables, however much they hold: the plans of both databases say so."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.prepared import Translated
from bot.storage.store import Session, Store
from tests.conftest import TestDatabase
from tests.fakes import START, FakeAdapter, FakeClassifier, a_message
from tests.integration.desk import until

FEW = {"organisation", "incident", "staff", "contract"}
"""Tables that people fill by hand, and no customer: they may be read whole."""
WHOLE = re.compile(r"(?:SCAN|Seq Scan on) (\w+)")
BY_THE_STATE = re.compile(r"USING (?:COVERING )?INDEX ix_\w+_(?:open|failed|dead|untold)")
"""These indexes hold only what waits."""

ASKED: dict[str, Callable[[Session], Awaitable[object]]] = {
    "what waits in the inbox": lambda session: session.inbox.waiting(),
    "what waits in the outbox": lambda session: session.outbox.waiting(),
    "what a lane sends next": lambda session: session.outbox.next("fake:c1", START),
    "what failed for good": lambda session: session.outbox.in_state("dead", "uncertain"),
    "what could not be handled": lambda session: session.inbox.dead(),
    "what is to be fetched": lambda session: session.attachments.waiting(START),
    "how long what waits has waited": lambda session: session.figures.queues(START),
}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Every statement that goes to a database, through SQLAlchemy or past it, with parameters that it was said with."""
    statements = dict[str, Any]()

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool) -> None:
        statements[statement] = parameters

    bound = Translated.bound

    def bind(known: Translated, values: Mapping[str, Any]) -> Any:
        statements[known.text] = parameters = bound(known, values)
        return parameters

    monkeypatch.setattr(Translated, "bound", bind)
    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
async def test_no_inbox_or_outbox_is_read_from_end_to_end(
    tmp_path: Path, said: dict[str, Any], asked: Callable[[Session], Awaitable[object]]
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'firstline.db'}")
    await migrate.upgrade(database)
    said.clear()
    async with Store(database).transaction() as session:
        await asked(session)
        statements = [each for each in said.items() if each[0].startswith("SELECT")]
        for statement, parameters in statements:
            rows = await session.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = [str(row._mapping["detail"]) for row in rows]
            whole = [step for step in plan if step.startswith(("SCAN inbox", "SCAN outbox")) and "INDEX" not in step]
            assert whole == [], statement
    await database.close()
    assert statements


async def test_on_the_whole_way_of_a_message_and_in_the_sweep_everything_is_found_by_an_index(
    database: TestDatabase, said: dict[str, Any], tmp_path: Path, catalogue: Catalogue
) -> None:
    """Greeting, ticket, question about it, more words on it: every statement that the joined application makes is explained."""
    adapter = FakeAdapter()
    settings = Settings(data=tmp_path, database_url=database.url, burst_seconds=0)
    async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app:
        said.clear()
        task = asyncio.create_task(app.run(tmp_path / "heartbeat"))
        for number, words in enumerate(
            ("Guten Tag", "Der Drucker ist kaputt", "Was ist mit HD-000001?", "und der Toner")
        ):
            adapter.incoming.put_nowait(a_message(words, message_id=f"m{number}"))
            await until(lambda: len(adapter.sent) > number)  # noqa: B023
        await app.engine.settled()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    asked = {each: said[each] for each in said if each.startswith(("SELECT", "UPDATE", "DELETE"))}
    looked = database.open()
    whole = []
    async with looked.writing() as connection:
        if not database.is_sqlite:
            # Few rows are read whole in any case; so ask whether there is another way.
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in asked.items():
            explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
            for row in await connection.exec_driver_sql(f"{explain} {statement}", parameters):
                step = str(row[-1])
                found = WHOLE.search(step)
                if found and found[1] not in FEW | {"CONSTANT"} and not BY_THE_STATE.search(step):
                    whole.append((step, statement))
    assert len(asked) > 20
    assert whole == []
