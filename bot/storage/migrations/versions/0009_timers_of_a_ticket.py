"""the timers of a ticket are found at once, however many tickets are open"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_timer_ticket"), "timer", ["ticket"])


def downgrade() -> None:
    op.drop_index(op.f("ix_timer_ticket"), table_name="timer")
