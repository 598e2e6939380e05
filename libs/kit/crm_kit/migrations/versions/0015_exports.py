"""What jobs that are exports have besides."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("page_token", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", name="exports_pkey"),
    )
    op.create_index("exports_expire_index", "exports", ["tenant_id", "expire_time"], unique=False)
    protected("exports")


def downgrade() -> None:
    op.drop_index("exports_expire_index", table_name="exports")
    op.drop_table("exports")
