"""what the desk needs: who owns a ticket and what it is linked with, who of staff is there, what was said in a ticket's thread"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import bot.storage.tables

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("away_since", bot.storage.tables.Moment(timezone=True), nullable=True),
        sa.Column("back_at", bot.storage.tables.Moment(timezone=True), nullable=True),
        sa.Column("updated_at", bot.storage.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
    )
    op.create_table(
        "staff_message",
        sa.Column("identity", sa.String(length=400), nullable=False),
        sa.Column("ticket", sa.BigInteger(), nullable=False),
        sa.Column("staff", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("became", sa.String(length=10), nullable=False),
        sa.Column("at", bot.storage.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("identity", name=op.f("pk_staff_message")),
    )
    with op.batch_alter_table("staff_message", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_message_ticket"), ["ticket"], unique=False)

    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.add_column(sa.Column("assignee_id", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("follows", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("merged_into", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("resolved_at", bot.storage.tables.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("reopened_at", bot.storage.tables.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("rating", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("rating_words", sa.Text(), nullable=True))
        batch_op.create_index(batch_op.f("ix_ticket_assignee_id"), ["assignee_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("ticket", schema=None, recreate="never") as batch_op:
        batch_op.drop_index(batch_op.f("ix_ticket_assignee_id"))
        batch_op.drop_column("rating_words")
        batch_op.drop_column("rating")
        batch_op.drop_column("reopened_at")
        batch_op.drop_column("resolved_at")
        batch_op.drop_column("merged_into")
        batch_op.drop_column("follows")
        batch_op.drop_column("assignee_id")

    with op.batch_alter_table("staff_message", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_staff_message_ticket"))

    op.drop_table("staff_message")
    op.drop_table("staff")
