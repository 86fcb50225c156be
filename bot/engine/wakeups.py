"""The tables in which Procrastinate keeps the wake-ups: made when they are missing, made anew for another version of it.

They need no migration, because nothing in them is worth keeping: the sweeper finds all that waits. It must not know the lanes.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import psycopg
from procrastinate.schema import SchemaManager

from bot.errors import DatabaseError

OURS = "Wake-ups of Firstline"
LAYOUT = 4
"""Of what is changed in them here."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('firstline wake-ups ' || current_schema()))"
_FOUND = """
    SELECT obj_description(oid, 'pg_class') FROM pg_class
    WHERE relname = 'procrastinate_jobs' AND relnamespace = current_schema()::regnamespace
"""
_DROP = r"""
    DO $$
    DECLARE statement text;
    BEGIN
        FOR statement IN
            SELECT format('DROP TABLE IF EXISTS %s CASCADE', oid::regclass) FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname LIKE 'procrastinate\_%'
            UNION ALL
            SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', oid::regprocedure) FROM pg_proc
            WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'procrastinate\_%'
        LOOP
            EXECUTE statement;
        END LOOP;
        FOR statement IN
            SELECT format('DROP TYPE IF EXISTS %s CASCADE', oid::regtype) FROM pg_type
            WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('c', 'e')
            AND typname LIKE 'procrastinate\_%'
        LOOP
            EXECUTE statement;
        END LOOP;
    END $$
"""
_CHANGE = r"""
    -- What happened to each job is of no interest, and would cost as much as the job; whoever writes one tells of it.
    DO $$
    DECLARE statement text;
    BEGIN
        FOR statement IN
            SELECT format('DROP TRIGGER %I ON procrastinate_jobs', tgname) FROM pg_trigger
            WHERE tgrelid = 'procrastinate_jobs'::regclass AND NOT tgisinternal
            UNION ALL
            SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
            WHERE confrelid = 'procrastinate_jobs'::regclass
        LOOP
            EXECUTE statement;
        END LOOP;
    END $$;
    -- A crash of the database empties them, and the sweeper fills them again.
    ALTER TABLE procrastinate_jobs SET UNLOGGED;
    ALTER TABLE procrastinate_workers SET UNLOGGED;
    -- What else waits for the same lock is asked for with each job that is fetched or finished.
    CREATE INDEX procrastinate_jobs_firstline_lock ON procrastinate_jobs (lock) WHERE status IN ('todo', 'doing');
    CREATE INDEX procrastinate_jobs_firstline_due ON procrastinate_jobs (queue_name, scheduled_at, id) WHERE status = 'todo';
    -- These are for what is never asked here.
    DROP INDEX procrastinate_jobs_priority_idx_v1, procrastinate_jobs_queue_name_idx_v1, procrastinate_jobs_id_lock_idx_v1;
"""


async def prepare(address: str) -> None:
    """See to it that the tables are there and of the installed version of Procrastinate. Raises DatabaseError."""
    try:
        connection = await psycopg.AsyncConnection.connect(address)
        try:
            async with connection:
                await _prepare(connection)
        finally:
            await connection.close()  # which ``with`` leaves out when the commit is cancelled
    except psycopg.Error as error:
        raise DatabaseError(f"The tables of the wake-ups cannot be made: {error}") from error


async def _prepare(connection: psycopg.AsyncConnection[Any]) -> None:
    wanted = f"{OURS}, Procrastinate {version('procrastinate')}, layout {LAYOUT}"
    await connection.execute(_LOCK)  # until the commit: several processes may start at the same time
    found = await (await connection.execute(_FOUND)).fetchone()
    if found is not None and found[0] == wanted:
        return
    if found is not None and not str(found[0]).startswith(OURS):
        raise DatabaseError(
            "The database schema holds tables of Procrastinate that are not Firstline's. Give Firstline a schema of "
            "its own: FIRSTLINE_DATABASE_URL with ?options=-csearch_path%3Dfirstline at its end."
        )
    if found is not None:
        await connection.execute(_DROP)
    await connection.execute(SchemaManager.get_schema())
    await connection.execute(_CHANGE)
    await connection.execute(
        psycopg.sql.SQL("COMMENT ON TABLE procrastinate_jobs IS {}").format(psycopg.sql.Literal(wanted))
    )
