"""attachments: which files came with which message, and what became of each"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import bot.storage.tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attachment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("inbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("ticket", sa.BigInteger(), nullable=True),
        sa.Column("adapter", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("author", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.String(length=64), nullable=True),
        sa.Column("danger", sa.String(length=10), nullable=True),
        sa.Column("released_by", sa.String(length=200), nullable=True),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", bot.storage.tables.Moment(timezone=True), nullable=False),
        sa.Column("retry_at", bot.storage.tables.Moment(timezone=True), nullable=True),
        sa.Column("settled_at", bot.storage.tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_attachment_conversation_id")),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_attachment_inbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attachment_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_attachment_inbox_id"), ["inbox_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_attachment_ticket"), ["ticket"], unique=False)
        batch_op.create_index(
            "ix_attachment_open",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state IN ('expected', 'erasing')"),
            postgresql_where=sa.text("state IN ('expected', 'erasing')"),
        )


def downgrade() -> None:
    op.drop_table("attachment")
