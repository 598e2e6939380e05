"""Reports: questions about many records that people keep."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("question", postgresql.JSONB(), nullable=False),
        sa.Column("chart", sa.Text(), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="reports_pkey"),
    )
    op.create_index("reports_list_index", "reports", ["tenant_id", "collection", "create_time", "id"], unique=False)
    op.create_index("reports_owner_index", "reports", ["tenant_id", "owner_id", "collection"], unique=False)
    op.create_index("reports_time_index", "reports", ["tenant_id", "create_time", "id"], unique=False)
    protected("reports")


def downgrade() -> None:
    op.drop_index("reports_time_index", table_name="reports")
    op.drop_index("reports_owner_index", table_name="reports")
    op.drop_index("reports_list_index", table_name="reports")
    op.drop_table("reports")
