"""Brings a database to the version of the schema that this program needs, and tells which it has.

It must not know what the tables are for.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.errors import DatabaseError
from bot.storage.database import Database

SCRIPTS = Path(__file__).with_name("migrations")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision that this program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def known(revision: str) -> bool:
    """Whether this program can bring a database of this revision up to the newest."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return any(script.revision == revision for script in scripts)


async def current(database: Database) -> str | None:
    """The revision of the database; None for an empty one."""
    async with database.reading() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def upgrade(database: Database, revision: str = "head") -> None:
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.upgrade(_config(sync), revision))


async def downgrade(database: Database, revision: str) -> None:
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(_config(sync), revision))


async def require_current(database: Database) -> None:
    """Raises DatabaseError that says what to run when the database is not of the version that this program needs."""
    found, needed = await current(database), newest()
    if found != needed:
        raise DatabaseError(
            f"The database is at version {found or 'none'}, this program needs {needed}: run `firstline db upgrade`."
        )
