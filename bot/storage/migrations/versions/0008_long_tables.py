"""what is looked up for every word of staff is found at once, however much has been said before"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_outbox_conversation", "outbox", ["conversation_id", "id"])
    op.create_index(op.f("ix_event_correlation"), "event", ["correlation"])


def downgrade() -> None:
    op.drop_index(op.f("ix_event_correlation"), table_name="event")
    op.drop_index("ix_outbox_conversation", table_name="outbox")
