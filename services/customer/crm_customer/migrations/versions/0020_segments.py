"""segments."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0020"
down_revision = "0018"


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
    protected("segments", "segment_members")


def downgrade() -> None:
    op.drop_index("segment_members_account_index", table_name="segment_members")
    op.drop_table("segment_members")
    op.drop_index("segments_update_time_index", table_name="segments")
    op.drop_index("segments_owner_team_index", table_name="segments")
    op.drop_index("segments_owner_index", table_name="segments")
    op.drop_index("segments_display_name_index", table_name="segments")
    op.drop_index("segments_create_time_index", table_name="segments")
    op.drop_table("segments")
