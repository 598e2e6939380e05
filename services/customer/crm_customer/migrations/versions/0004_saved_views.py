"""Saved views."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "default_views",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("saved_view_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "collection", "role_id", name="default_views_pkey"),
    )
    op.create_table(
        "saved_views",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("order_by", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("group_by", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("default_for_role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="saved_views_pkey"),
    )
    op.create_index("saved_views_create_time_index", "saved_views", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("saved_views_owner_index", "saved_views", ["tenant_id", "owner_id"], unique=False)
    op.create_index("saved_views_position_index", "saved_views", ["tenant_id", "position", "id"], unique=False)
    protected("default_views", "saved_views")


def downgrade() -> None:
    op.drop_index("saved_views_position_index", table_name="saved_views")
    op.drop_index("saved_views_owner_index", table_name="saved_views")
    op.drop_index("saved_views_create_time_index", table_name="saved_views")
    op.drop_table("saved_views")
    op.drop_table("default_views")
