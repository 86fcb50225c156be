"""what people need to put back what failed for good: since when it is tried anew, and the dead are found without reading all"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import bot.storage.tables

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DEAD = "state = 'dead'"
FAILED = "state IN ('dead', 'uncertain')"


def upgrade() -> None:
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_inbox_dead", ["id"], unique=False, sqlite_where=sa.text(DEAD), postgresql_where=sa.text(DEAD)
        )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retried_at", bot.storage.tables.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("excused", sa.Integer(), nullable=False, server_default="0"))
        batch_op.create_index(
            "ix_outbox_failed", ["id"], unique=False, sqlite_where=sa.text(FAILED), postgresql_where=sa.text(FAILED)
        )
    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retried_at", bot.storage.tables.Moment(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("attachment", schema=None, recreate="never") as batch_op:
        batch_op.drop_column("retried_at")
    with op.batch_alter_table("outbox", schema=None, recreate="never") as batch_op:
        batch_op.drop_index("ix_outbox_failed")
        batch_op.drop_column("excused")
        batch_op.drop_column("retried_at")
    with op.batch_alter_table("inbox", schema=None, recreate="never") as batch_op:
        batch_op.drop_index("ix_inbox_dead")
