"""Segments of accounts, and visits."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("filter", sa.Text(), nullable=True),
        sa.Column("order_by", sa.Text(), nullable=True),
        sa.Column("max_members", sa.Integer(), nullable=True),
        sa.Column("members_change_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("custom_uses", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="segments_pkey"),
    )
    op.create_index("segments_create_time_index", "segments", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("segments_display_name_index", "segments", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index("segments_owner_index", "segments", ["tenant_id", "owner_id", "create_time", "id"], unique=False)
    op.create_index(
        "segments_owner_team_index", "segments", ["tenant_id", "owner_team_id", "create_time"], unique=False
    )
    op.create_index("segments_update_time_index", "segments", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "visit_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "visit_id", name="visit_timers_pkey"),
    )
    op.create_index("visit_timers_due_index", "visit_timers", ["tenant_id", "due_time"], unique=False)
    op.create_table(
        "segment_members",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("adder_id", sa.Uuid(), nullable=False),
        sa.Column("add_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="segment_members_account_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "segment_id"], ["segments.tenant_id", "segments.id"], name="segment_members_segment_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "segment_id", "account_id", name="segment_members_pkey"),
    )
    op.create_index("segment_members_account_index", "segment_members", ["tenant_id", "account_id"], unique=False)
    op.create_table(
        "visits",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contact_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("planned_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("planned_end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("objective", sa.Text(), nullable=True),
        sa.Column("information_to_bring", sa.Text(), nullable=True),
        sa.Column("information_to_collect", sa.Text(), nullable=True),
        sa.Column("overdue_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("interaction_id", sa.Uuid(), nullable=True),
        sa.Column("close_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.Column("completion", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="visits_account_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "interaction_id"],
            ["interactions.tenant_id", "interactions.id"],
            name="visits_interaction_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="visits_pkey"),
    )
    op.create_index("visits_account_index", "visits", ["tenant_id", "account_id", "planned_time"], unique=False)
    op.create_index("visits_create_time_index", "visits", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index(
        "visits_interaction_index",
        "visits",
        ["tenant_id", "interaction_id"],
        unique=True,
        postgresql_where=sa.text("interaction_id IS NOT NULL"),
    )
    op.create_index("visits_owner_index", "visits", ["tenant_id", "owner_id", "planned_time", "id"], unique=False)
    op.create_index("visits_owner_team_index", "visits", ["tenant_id", "owner_team_id", "planned_time"], unique=False)
    op.create_index("visits_planned_time_index", "visits", ["tenant_id", "planned_time", "id"], unique=False)
    protected("segments", "segment_members", "visits", plumbing=["visit_timers"])


def downgrade() -> None:
    op.drop_index("visits_planned_time_index", table_name="visits")
    op.drop_index("visits_owner_team_index", table_name="visits")
    op.drop_index("visits_owner_index", table_name="visits")
    op.drop_index(
        "visits_interaction_index", table_name="visits", postgresql_where=sa.text("interaction_id IS NOT NULL")
    )
    op.drop_index("visits_create_time_index", table_name="visits")
    op.drop_index("visits_account_index", table_name="visits")
    op.drop_table("visits")
    op.drop_index("segment_members_account_index", table_name="segment_members")
    op.drop_table("segment_members")
    op.drop_index("visit_timers_due_index", table_name="visit_timers")
    op.drop_table("visit_timers")
    op.drop_index("segments_update_time_index", table_name="segments")
    op.drop_index("segments_owner_team_index", table_name="segments")
    op.drop_index("segments_owner_index", table_name="segments")
    op.drop_index("segments_display_name_index", table_name="segments")
    op.drop_index("segments_create_time_index", table_name="segments")
    op.drop_table("segments")
