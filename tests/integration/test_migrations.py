"""The migrations lead from nothing to the tables that the program needs, and back, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from bot.errors import DatabaseError
from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.inbox import Inbox
from bot.storage.tables import metadata
from tests.conftest import TestDatabase
from tests.fakes import START, a_message

REVISIONS = [
    script.revision for script in ScriptDirectory(str(migrate.SCRIPTS)).walk_revisions(base="base", head="heads")
][::-1]


def _schema(connection: Connection) -> dict[str, Any]:
    """Everything that a database tells about its tables."""
    found = inspect(connection)
    return {
        table: {
            "columns": [{**column, "type": repr(column["type"])} for column in found.get_columns(table)],
            "primary key": found.get_pk_constraint(table),
            "unique": sorted(map(str, found.get_unique_constraints(table))),
            "foreign keys": sorted(map(str, found.get_foreign_keys(table))),
            "indexes": sorted(
                str({**index, "dialect_options": {k: str(v) for k, v in index.get("dialect_options", {}).items()}})
                for index in found.get_indexes(table)
            ),
        }
        for table in sorted(found.get_table_names())
        if table != "alembic_version"
    }


async def _tables(database: Database) -> set[str]:
    async with database.reading() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names())) - {"alembic_version"}


async def test_an_empty_database_gets_every_table_in_one_step(empty_database: TestDatabase) -> None:
    database = empty_database.open()
    assert await migrate.current(database) is None
    await migrate.upgrade(database)
    assert await migrate.current(database) == migrate.newest()
    assert await _tables(database) == set(metadata.tables)


async def test_a_second_upgrade_changes_nothing(empty_database: TestDatabase) -> None:
    database = empty_database.open()
    await migrate.upgrade(database)
    await migrate.upgrade(database)
    assert await migrate.current(database) == migrate.newest()


async def test_every_step_can_be_taken_back_and_taken_again(empty_database: TestDatabase) -> None:
    database = empty_database.open()
    before = "base"
    for revision in REVISIONS:
        async with database.reading() as connection:
            old = await connection.run_sync(_schema)
        await migrate.upgrade(database, revision)
        await migrate.downgrade(database, before)
        async with database.reading() as connection:
            assert await connection.run_sync(_schema) == old
        await migrate.upgrade(database, revision)
        assert await migrate.current(database) == revision
        before = revision
    assert await _tables(database) == set(metadata.tables)


async def test_the_way_back_to_nothing_is_open_even_with_messages_in_the_tables(database: TestDatabase) -> None:
    connected = database.open()
    async with connected.writing() as connection:
        await Inbox(connection).accept(a_message(), START)
    for revision in [*REVISIONS[-2::-1], "base"]:
        await migrate.downgrade(connected, revision)
    assert await _tables(connected) == set()
    assert await migrate.current(connected) is None


async def test_the_migrated_tables_are_those_of_the_program(database: TestDatabase) -> None:
    def difference(connection: Connection) -> Any:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with database.open().reading() as connection:
        assert await connection.run_sync(difference) == []


async def test_migrating_gives_exactly_what_creating_the_tables_afresh_gives(empty_database: TestDatabase) -> None:
    """Alembic does not compare everything: the condition of a partial index, the order of columns, names of constraints."""
    database = empty_database.open()
    await migrate.upgrade(database)
    async with database.reading() as connection:
        migrated = await connection.run_sync(_schema)
    await migrate.downgrade(database, "base")
    async with database.writing() as connection:
        await connection.run_sync(metadata.create_all)
    async with database.reading() as connection:
        assert await connection.run_sync(_schema) == migrated


async def test_a_program_that_is_newer_than_its_database_says_what_to_run(empty_database: TestDatabase) -> None:
    with pytest.raises(DatabaseError, match=r"at version none.*run `firstline db upgrade`"):
        await migrate.require_current(empty_database.open())


async def test_a_program_that_fits_its_database_says_nothing(database: TestDatabase) -> None:
    await migrate.require_current(database.open())
