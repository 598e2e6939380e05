"""Imports that end, deliveries that are taken back, sent as rows, or say their values by source."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column(
        "feed_deliveries", sa.Column("released", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "feed_deliveries", sa.Column("of_rows", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("feed_deliveries", sa.Column("decimal_separator", sa.Text(), server_default="", nullable=False))
    op.add_column("feed_deliveries", sa.Column("disagreeing_count", sa.Integer(), server_default="0", nullable=False))
    op.drop_index("feed_deliveries_retention_index", table_name="feed_deliveries")
    op.create_index(
        "feed_deliveries_retention_index",
        "feed_deliveries",
        ["tenant_id", "finish_time"],
        unique=False,
        postgresql_where=sa.text("finish_time IS NOT NULL"),
    )
    op.add_column("feeds", sa.Column("value_source", sa.Text(), server_default="", nullable=False))
    op.add_column("feeds", sa.Column("keep_values", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("imports", sa.Column("value_source", sa.Text(), server_default="", nullable=False))
    op.add_column("imports", sa.Column("keep_values", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("imports", sa.Column("observed_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("imports", sa.Column("disagreeing_count", sa.Integer(), server_default="0", nullable=False))
    op.create_index(
        "imports_feed_delivery_index",
        "imports",
        ["tenant_id", "feed_delivery_id"],
        unique=False,
        postgresql_where=sa.text("feed_delivery_id IS NOT NULL"),
    )
    op.create_index(
        "imports_retention_index",
        "imports",
        ["tenant_id", "finish_time"],
        unique=False,
        postgresql_where=sa.text("finish_time IS NOT NULL"),
    )
    op.add_column("uncounted_deliveries", sa.Column("size", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("uncounted_deliveries", "size")
    op.drop_index("imports_retention_index", table_name="imports", postgresql_where=sa.text("finish_time IS NOT NULL"))
    op.drop_index(
        "imports_feed_delivery_index", table_name="imports", postgresql_where=sa.text("feed_delivery_id IS NOT NULL")
    )
    op.drop_column("imports", "disagreeing_count")
    op.drop_column("imports", "observed_time")
    op.drop_column("imports", "keep_values")
    op.drop_column("imports", "value_source")
    op.drop_column("feeds", "keep_values")
    op.drop_column("feeds", "value_source")
    op.drop_index(
        "feed_deliveries_retention_index",
        table_name="feed_deliveries",
        postgresql_where=sa.text("finish_time IS NOT NULL"),
    )
    op.create_index("feed_deliveries_retention_index", "feed_deliveries", ["tenant_id", "create_time"], unique=False)
    op.drop_column("feed_deliveries", "disagreeing_count")
    op.drop_column("feed_deliveries", "decimal_separator")
    op.drop_column("feed_deliveries", "of_rows")
    op.drop_column("feed_deliveries", "released")
