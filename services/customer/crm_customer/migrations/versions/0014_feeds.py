"""Feeds of other systems, and what they bring."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "feeds",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("external_source", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.Column("layout", postgresql.JSONB(), nullable=True),
        sa.Column("default_region", sa.Text(), nullable=False),
        sa.Column("skip_invalid_cells", sa.Boolean(), nullable=False),
        sa.Column("keep_opportunities", sa.Boolean(), nullable=False),
        sa.Column("account_owner_id", sa.Uuid(), nullable=True),
        sa.Column("responsible_id", sa.Uuid(), nullable=False),
        sa.Column("schedule", postgresql.JSONB(), nullable=True),
        sa.Column("least_rows", sa.Integer(), nullable=False),
        sa.Column("least_percent", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("activator_id", sa.Uuid(), nullable=False),
        sa.Column("health", sa.Text(), server_default="OK", nullable=False),
        sa.Column("last_delivery_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_data_date", sa.Date(), nullable=True),
        sa.Column("next_due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missing_date", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="feeds_pkey"),
    )
    op.create_index("feeds_create_time_index", "feeds", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("feeds_display_name_index", "feeds", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_table(
        "feed_deliveries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("feed_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("data_date", sa.Date(), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False),
        sa.Column("expected_rows", sa.Integer(), nullable=True),
        sa.Column("expected_sums", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("held_reason", sa.Text(), nullable=True),
        sa.Column("short", sa.Boolean(), nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("rows_total", sa.Integer(), nullable=True),
        sa.Column("keyless_rows", sa.Integer(), nullable=True),
        sa.Column("rows_with_id", sa.Integer(), nullable=False),
        sa.Column("found_sums", postgresql.JSONB(), nullable=False),
        sa.Column("only_creates", sa.Boolean(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column("created_count", sa.Integer(), nullable=False),
        sa.Column("updated_count", sa.Integer(), nullable=False),
        sa.Column("skipped_count", sa.Integer(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finish_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "feed_id"], ["feeds.tenant_id", "feeds.id"], name="feed_deliveries_feed_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="feed_deliveries_pkey"),
    )
    op.create_index(
        "feed_deliveries_create_time_index", "feed_deliveries", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "feed_deliveries_data_date_index", "feed_deliveries", ["tenant_id", "data_date", "id"], unique=False
    )
    op.create_index(
        "feed_deliveries_delivery_id_index", "feed_deliveries", ["tenant_id", "feed_id", "delivery_id"], unique=True
    )
    op.create_index(
        "feed_deliveries_feed_data_date_index", "feed_deliveries", ["tenant_id", "feed_id", "data_date"], unique=False
    )
    op.create_index(
        "feed_deliveries_feed_index", "feed_deliveries", ["tenant_id", "feed_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "feed_deliveries_finish_time_index",
        "feed_deliveries",
        ["tenant_id", "feed_id", "finish_time"],
        unique=False,
        postgresql_where=sa.text("finish_time IS NOT NULL"),
    )
    op.create_index(
        "feed_deliveries_open_index",
        "feed_deliveries",
        ["tenant_id", "feed_id", "id"],
        unique=False,
        postgresql_where=sa.text("finish_time IS NULL"),
    )
    op.create_index("feed_deliveries_retention_index", "feed_deliveries", ["tenant_id", "create_time"], unique=False)
    op.create_table(
        "feed_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("feed_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expected_day", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "feed_id"], ["feeds.tenant_id", "feeds.id"], name="feed_timers_feed_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "feed_id", name="feed_timers_pkey"),
    )
    op.create_index(
        "feed_timers_due_index",
        "feed_timers",
        ["tenant_id", "due_time"],
        unique=False,
        postgresql_where=sa.text("due_time IS NOT NULL"),
    )
    op.create_table(
        "uncounted_deliveries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["feed_deliveries.tenant_id", "feed_deliveries.id"],
            name="uncounted_deliveries_delivery_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", name="uncounted_deliveries_pkey"),
    )
    op.create_index(
        "uncounted_deliveries_create_time_index", "uncounted_deliveries", ["tenant_id", "create_time"], unique=False
    )
    op.add_column("imports", sa.Column("feed_delivery_id", sa.Uuid(), nullable=True))
    protected("feeds", "feed_deliveries", plumbing=["feed_timers", "uncounted_deliveries"])


def downgrade() -> None:
    op.drop_column("imports", "feed_delivery_id")
    op.drop_index("uncounted_deliveries_create_time_index", table_name="uncounted_deliveries")
    op.drop_table("uncounted_deliveries")
    op.drop_index("feed_timers_due_index", table_name="feed_timers", postgresql_where=sa.text("due_time IS NOT NULL"))
    op.drop_table("feed_timers")
    op.drop_index("feed_deliveries_retention_index", table_name="feed_deliveries")
    op.drop_index(
        "feed_deliveries_open_index", table_name="feed_deliveries", postgresql_where=sa.text("finish_time IS NULL")
    )
    op.drop_index(
        "feed_deliveries_finish_time_index",
        table_name="feed_deliveries",
        postgresql_where=sa.text("finish_time IS NOT NULL"),
    )
    op.drop_index("feed_deliveries_feed_index", table_name="feed_deliveries")
    op.drop_index("feed_deliveries_feed_data_date_index", table_name="feed_deliveries")
    op.drop_index("feed_deliveries_delivery_id_index", table_name="feed_deliveries")
    op.drop_index("feed_deliveries_data_date_index", table_name="feed_deliveries")
    op.drop_index("feed_deliveries_create_time_index", table_name="feed_deliveries")
    op.drop_table("feed_deliveries")
    op.drop_index("feeds_display_name_index", table_name="feeds")
    op.drop_index("feeds_create_time_index", table_name="feeds")
    op.drop_table("feeds")
