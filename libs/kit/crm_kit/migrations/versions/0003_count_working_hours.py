"""Due times in working hours, and the names of roles."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "working_calendars",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("weekly", postgresql.JSONB(), nullable=False),
        sa.Column("exceptions", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="working_calendars_pkey"),
    )
    op.add_column("access_roles", sa.Column("display_name", sa.Text(), nullable=False, server_default=""))
    op.add_column("approval_timers", sa.Column("calendar_version", sa.Integer(), nullable=True))
    op.create_index(
        "approval_timers_calendar_index",
        "approval_timers",
        ["tenant_id", "calendar_version"],
        unique=False,
        postgresql_where=sa.text("calendar_version IS NOT NULL"),
    )
    protected(plumbing=["working_calendars"])


def downgrade() -> None:
    op.drop_index(
        "approval_timers_calendar_index",
        table_name="approval_timers",
        postgresql_where=sa.text("calendar_version IS NOT NULL"),
    )
    op.drop_column("approval_timers", "calendar_version")
    op.drop_column("access_roles", "display_name")
    op.drop_table("working_calendars")
