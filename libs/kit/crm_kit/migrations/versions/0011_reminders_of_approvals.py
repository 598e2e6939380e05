"""Reminders before an approval is due."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("approval_timers", sa.Column("reminder_time", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("approval_timers_due_index", table_name="approval_timers")
    op.create_index(
        "approval_timers_next_index",
        "approval_timers",
        ["tenant_id", sa.text("least(due_time, reminder_time)")],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("approval_timers_next_index", table_name="approval_timers")
    op.create_index("approval_timers_due_index", "approval_timers", ["tenant_id", "due_time"], unique=False)
    op.drop_column("approval_timers", "reminder_time")
