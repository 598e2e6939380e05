"""Reminders before an approval is due, and reports that are sent on a schedule."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("approval_timers", sa.Column("reminder_time", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("approval_timers_due_index", table_name="approval_timers")
    op.create_index(
        "approval_timers_next_index",
        "approval_timers",
        ["tenant_id", sa.text("least(due_time, reminder_time)")],
        unique=False,
    )
    op.add_column(
        "reports",
        sa.Column("subscriptions", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'")),
    )
    op.create_table(
        "report_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "subscription_id", name="report_timers_pkey"),
    )
    op.create_index("report_timers_due_index", "report_timers", ["tenant_id", "due_time"], unique=False)
    op.create_index("report_timers_report_index", "report_timers", ["tenant_id", "report_id"], unique=False)
    protected(plumbing=["report_timers"])


def downgrade() -> None:
    op.drop_index("report_timers_report_index", table_name="report_timers")
    op.drop_index("report_timers_due_index", table_name="report_timers")
    op.drop_table("report_timers")
    op.drop_column("reports", "subscriptions")
    op.drop_index("approval_timers_next_index", table_name="approval_timers")
    op.create_index("approval_timers_due_index", "approval_timers", ["tenant_id", "due_time"], unique=False)
    op.drop_column("approval_timers", "reminder_time")
