"""Webhook endpoints, their secrets and queues, and what they are told."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("collections", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("disable_reason", sa.Text(), nullable=True),
        sa.Column("disable_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activator_id", sa.Uuid(), nullable=False),
        sa.Column("secret_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failing_since_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="webhook_endpoints_pkey"),
    )
    op.create_index(
        "webhook_endpoints_create_time_index", "webhook_endpoints", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "webhook_endpoints_display_name_index",
        "webhook_endpoints",
        ["tenant_id", "display_name_key", "id"],
        unique=False,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("record_version", sa.Integer(), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("attempts", postgresql.JSONB(), nullable=False),
        sa.Column("next_attempt_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_count", sa.Integer(), nullable=False),
        sa.Column("give_up_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoints.tenant_id", "webhook_endpoints.id"],
            name="webhook_deliveries_endpoint_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="webhook_deliveries_pkey"),
    )
    op.create_index(
        "webhook_deliveries_due_index",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "next_attempt_time", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_index(
        "webhook_deliveries_endpoint_index",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "create_time", "id"],
        unique=False,
    )
    op.create_index(
        "webhook_deliveries_event_index", "webhook_deliveries", ["tenant_id", "endpoint_id", "event_id"], unique=True
    )
    op.create_index(
        "webhook_deliveries_list_index", "webhook_deliveries", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "webhook_deliveries_record_index", "webhook_deliveries", ["tenant_id", "record_id", "create_time"], unique=False
    )
    op.create_index(
        "webhook_deliveries_retention_index", "webhook_deliveries", ["tenant_id", "create_time"], unique=False
    )
    op.create_index(
        "webhook_deliveries_state_index",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "state", "create_time", "id"],
        unique=False,
    )
    op.create_table(
        "webhook_queues",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arrivals", sa.Integer(), server_default="0", nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoints.tenant_id", "webhook_endpoints.id"],
            name="webhook_queues_endpoint_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "endpoint_id", name="webhook_queues_pkey"),
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_until_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoints.tenant_id", "webhook_endpoints.id"],
            name="webhook_secrets_endpoint_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "endpoint_id", name="webhook_secrets_pkey"),
    )
    protected("webhook_endpoints", "webhook_deliveries", "webhook_secrets", plumbing=["webhook_queues"])


def downgrade() -> None:
    op.drop_table("webhook_secrets")
    op.drop_table("webhook_queues")
    op.drop_index("webhook_deliveries_state_index", table_name="webhook_deliveries")
    op.drop_index("webhook_deliveries_retention_index", table_name="webhook_deliveries")
    op.drop_index("webhook_deliveries_record_index", table_name="webhook_deliveries")
    op.drop_index("webhook_deliveries_list_index", table_name="webhook_deliveries")
    op.drop_index("webhook_deliveries_event_index", table_name="webhook_deliveries")
    op.drop_index("webhook_deliveries_endpoint_index", table_name="webhook_deliveries")
    op.drop_index(
        "webhook_deliveries_due_index", table_name="webhook_deliveries", postgresql_where=sa.text("state = 'PENDING'")
    )
    op.drop_table("webhook_deliveries")
    op.drop_index("webhook_endpoints_display_name_index", table_name="webhook_endpoints")
    op.drop_index("webhook_endpoints_create_time_index", table_name="webhook_endpoints")
    op.drop_table("webhook_endpoints")
