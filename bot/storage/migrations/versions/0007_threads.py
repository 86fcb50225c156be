"""where staff work in a chat: the threads of tickets, and what staff have not been told yet"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "thread",
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("ticket", sa.BigInteger(), nullable=False),
        sa.Column("adapter", sa.String(length=40), nullable=False),
        sa.Column("chat_id", sa.String(length=200), nullable=False),
        sa.Column("thread_id", sa.String(length=200), nullable=True),
        sa.Column("card_id", sa.Text(), nullable=True),
        sa.Column("opener_key", sa.String(length=200), nullable=False),
        sa.Column("card_key", sa.String(length=200), nullable=False),
        sa.Column("shown", sa.String(length=64), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_thread_conversation_id")),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_thread")),
        sa.UniqueConstraint("ticket", "adapter", "chat_id", name=op.f("uq_thread_ticket_adapter_chat_id")),
    )
    op.create_index("ix_thread_place", "thread", ["adapter", "thread_id"])
    op.create_index(op.f("ix_thread_opener_key"), "thread", ["opener_key"])
    op.create_index(op.f("ix_thread_card_key"), "thread", ["card_key"])
    with op.batch_alter_table("staff_message", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("correlation", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("chat", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("message_id", sa.Text(), nullable=True))
        batch_op.create_index(batch_op.f("ix_staff_message_correlation"), ["correlation"], unique=False)
    with op.batch_alter_table("event", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("told", sa.Integer(), nullable=False, server_default="0"))
    # What has happened so far is history; what is still open is shown when something new happens to it.
    op.execute("UPDATE event SET told = 1")
    op.create_index(
        "ix_event_untold",
        "event",
        ["conversation_id", "id"],
        sqlite_where=sa.text("told = 0"),
        postgresql_where=sa.text("told = 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_event_untold", table_name="event")
    with op.batch_alter_table("event", schema=None, recreate="never") as batch_op:
        batch_op.drop_column("told")
    with op.batch_alter_table("staff_message", schema=None, recreate="never") as batch_op:
        batch_op.drop_index(batch_op.f("ix_staff_message_correlation"))
        batch_op.drop_column("message_id")
        batch_op.drop_column("chat")
        batch_op.drop_column("correlation")
    op.drop_index(op.f("ix_thread_card_key"), table_name="thread")
    op.drop_index(op.f("ix_thread_opener_key"), table_name="thread")
    op.drop_index("ix_thread_place", table_name="thread")
    op.drop_table("thread")
