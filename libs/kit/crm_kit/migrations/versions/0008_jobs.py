"""Jobs, their records and their turns."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "job_records",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("record_etag", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("violations", postgresql.JSONB(), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", "position", name="job_records_pkey"),
    )
    op.create_index("job_records_retention_index", "job_records", ["tenant_id", "create_time"], unique=False)
    op.create_table(
        "job_turns",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("turn_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", name="job_turns_pkey"),
    )
    op.create_index("job_turns_time_index", "job_turns", ["tenant_id", "turn_time"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("total_count", sa.Integer(), nullable=False),
        sa.Column("changed_count", sa.Integer(), nullable=False),
        sa.Column("unchanged_count", sa.Integer(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("skipped_count", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finish_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="jobs_pkey"),
    )
    op.create_index("jobs_list_index", "jobs", ["tenant_id", "collection", "create_time", "id"], unique=False)
    op.create_index(
        "jobs_owner_index", "jobs", ["tenant_id", "owner_id", "collection", "create_time", "id"], unique=False
    )
    op.create_index(
        "jobs_retention_index",
        "jobs",
        ["tenant_id", "finish_time"],
        unique=False,
        postgresql_where=sa.text("finish_time IS NOT NULL"),
    )
    op.create_index("jobs_time_index", "jobs", ["tenant_id", "create_time", "id"], unique=False)
    protected("job_records", "jobs", plumbing=["job_turns"])


def downgrade() -> None:
    op.drop_index("jobs_time_index", table_name="jobs")
    op.drop_index("jobs_retention_index", table_name="jobs", postgresql_where=sa.text("finish_time IS NOT NULL"))
    op.drop_index("jobs_owner_index", table_name="jobs")
    op.drop_index("jobs_list_index", table_name="jobs")
    op.drop_table("jobs")
    op.drop_index("job_turns_time_index", table_name="job_turns")
    op.drop_table("job_turns")
    op.drop_index("job_records_retention_index", table_name="job_records")
    op.drop_table("job_records")
