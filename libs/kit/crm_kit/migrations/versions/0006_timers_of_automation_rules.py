"""Timers of automation rules."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "automation_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("since_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "rule_id", name="automation_timers_pkey"),
    )
    op.create_index("automation_timers_due_index", "automation_timers", ["tenant_id", "due_time"], unique=False)
    op.add_column("automation_runs", sa.Column("due_time", sa.DateTime(timezone=True), nullable=True))
    protected(plumbing=["automation_timers"])


def downgrade() -> None:
    op.drop_column("automation_runs", "due_time")
    op.drop_index("automation_timers_due_index", table_name="automation_timers")
    op.drop_table("automation_timers")
