"""what the dialogue remembers: organisations, timers, consents, incidents"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import bot.storage.tables

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incident",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("text", sa.JSON(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("since", bot.storage.tables.Moment(timezone=True), nullable=False),
        sa.Column("until", bot.storage.tables.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "affected",
        sa.Column("incident", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", bot.storage.tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_affected_conversation_id")),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name=op.f("fk_affected_incident")),
        sa.PrimaryKeyConstraint("incident", "conversation_id", name=op.f("pk_affected")),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("ticket", sa.BigInteger(), nullable=True),
        sa.Column("organisation", sa.String(length=36), nullable=True),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("person_name", sa.String(length=200), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("product", sa.String(length=60), nullable=True),
        sa.Column("passed_on", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=True),
        sa.Column("given", sa.Integer(), nullable=False),
        sa.Column("agreement", sa.String(length=60), nullable=False),
        sa.Column("at", bot.storage.tables.Moment(timezone=True), nullable=False),
        sa.Column("withdrawn_at", bot.storage.tables.Moment(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_consent_conversation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    with op.batch_alter_table("consent", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consent_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_consent_ticket"), ["ticket"], unique=False)

    op.create_table(
        "timer",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("ticket", sa.BigInteger(), nullable=True),
        sa.Column("due_at", bot.storage.tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_timer_conversation_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_timer")),
    )
    with op.batch_alter_table("timer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_timer_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_timer_due_at"), ["due_at"], unique=False)

    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("organisation", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("closed_until", bot.storage.tables.Moment(timezone=True), nullable=True))

    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", bot.storage.tables.Moment(timezone=True), nullable=True))

    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.add_column(sa.Column("organisation", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("level", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("person", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("due_at", bot.storage.tables.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("progress", sa.Text(), nullable=True))
        batch_op.create_index(batch_op.f("ix_ticket_organisation"), ["organisation"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("ticket", schema=None, recreate="never") as batch_op:
        batch_op.drop_index(batch_op.f("ix_ticket_organisation"))
        batch_op.drop_column("progress")
        batch_op.drop_column("due_at")
        batch_op.drop_column("person")
        batch_op.drop_column("level")
        batch_op.drop_column("organisation")

    with op.batch_alter_table("inbox", schema=None, recreate="never") as batch_op:
        batch_op.drop_column("deleted_at")

    with op.batch_alter_table("conversation", schema=None, recreate="never") as batch_op:
        batch_op.drop_column("closed_until")
        batch_op.drop_column("organisation")

    with op.batch_alter_table("timer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_timer_due_at"))
        batch_op.drop_index(batch_op.f("ix_timer_conversation_id"))

    op.drop_table("timer")
    with op.batch_alter_table("consent", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_ticket"))
        batch_op.drop_index(batch_op.f("ix_consent_conversation_id"))

    op.drop_table("consent")
    op.drop_table("affected")
    op.drop_table("incident")
