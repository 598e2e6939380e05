"""Dashboards: reports of several collections beside each other."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "dashboards",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("tiles", postgresql.JSONB(), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("default_role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="dashboards_pkey"),
    )
    op.create_index("dashboards_create_time_index", "dashboards", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index(
        "dashboards_display_name_index", "dashboards", ["tenant_id", "display_name_key", "id"], unique=False
    )
    op.create_index("dashboards_owner_index", "dashboards", ["tenant_id", "owner_id"], unique=False)
    protected("dashboards")


def downgrade() -> None:
    op.drop_index("dashboards_owner_index", table_name="dashboards")
    op.drop_index("dashboards_display_name_index", table_name="dashboards")
    op.drop_index("dashboards_create_time_index", table_name="dashboards")
    op.drop_table("dashboards")
