"""The first tables."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrations import create_functions, drop_functions, protected
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_functions()
    op.create_table(
        "access_roles",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("grants", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_roles_pkey"),
    )
    op.create_table(
        "access_teams",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_teams_pkey"),
    )
    op.create_index("access_teams_parent_index", "access_teams", ["tenant_id", "parent_id"], unique=False)
    op.create_table(
        "access_tenants",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("clock_offset", sa.Interval(), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="Asia/Shanghai", nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_tenants_pkey"),
    )
    op.create_table(
        "access_users",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_users_pkey"),
    )
    op.create_index("access_users_login_index", "access_users", ["tenant_id", "login"], unique=False)
    op.create_table(
        "account_days",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("ordered", sa.Numeric(), nullable=False),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("returned", sa.Numeric(), nullable=False),
        sa.Column("payments", sa.Integer(), nullable=False),
        sa.Column("paid", sa.Numeric(), nullable=False),
        sa.Column("late_payments", sa.Integer(), nullable=False),
        sa.Column("overdue_days", sa.Integer(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("complaints", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", "day", "currency_code", name="account_days_pkey"),
    )
    op.create_index("account_days_day_index", "account_days", ["tenant_id", "day"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("archived", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="accounts_pkey"),
    )
    op.create_index("accounts_owner_index", "accounts", ["tenant_id", "owner_id"], unique=False)
    op.create_index("accounts_owner_team_index", "accounts", ["tenant_id", "owner_team_id"], unique=False)
    op.create_table(
        "changes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("change_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "resource_type", "resource_id", "version", name="changes_pkey"),
    )
    op.create_table(
        "credit_limits",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="credit_limits_pkey"),
    )
    op.create_table(
        "credit_orders",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("paid", sa.Numeric(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="credit_orders_pkey"),
    )
    op.create_index("credit_orders_retention_index", "credit_orders", ["tenant_id", "expire_time"], unique=False)
    op.create_index(
        "credit_orders_used_index",
        "credit_orders",
        ["tenant_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('RESERVED', 'RELEASED') AND amount > paid"),
    )
    op.create_table(
        "custom_field_versions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "collection", name="custom_field_versions_pkey"),
    )
    op.create_table(
        "custom_fields",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("label", postgresql.JSONB(), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("unique", sa.Boolean(), nullable=False),
        sa.Column("reference_collection", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="custom_fields_pkey"),
        sa.UniqueConstraint("tenant_id", "collection", "key", name="custom_fields_key_key"),
    )
    op.create_index("custom_fields_position_index", "custom_fields", ["tenant_id", "position", "id"], unique=False)
    op.create_table(
        "custom_values",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("unique", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "record_id", "token", name="custom_values_pkey"),
    )
    op.create_index(
        "custom_values_token_index",
        "custom_values",
        ["tenant_id", "collection", "token", "record_id"],
        unique=False,
    )
    op.create_index(
        "custom_values_unique_index",
        "custom_values",
        ["tenant_id", "collection", "token"],
        unique=True,
        postgresql_where=sa.text('"unique"'),
    )
    op.create_table(
        "dead_letters",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", "consumer", name="dead_letters_pkey"),
    )
    op.create_index("dead_letters_retention_index", "dead_letters", ["create_time"], unique=False)
    op.create_table(
        "facts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("occur_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("overdue_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", "kind", name="facts_pkey"),
    )
    op.create_index("facts_account_index", "facts", ["tenant_id", "account_id", "day", "currency_code"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "key", name="idempotency_keys_pkey"),
    )
    op.create_index("idempotency_keys_retention_index", "idempotency_keys", ["create_time"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "event_id", "consumer", name="inbox_pkey"),
    )
    op.create_index("inbox_retention_index", "inbox", ["create_time"], unique=False)
    op.create_table(
        "leases",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name="leases_pkey"),
    )
    op.create_table(
        "outbox",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("aggregate_id", sa.Uuid(), nullable=False),
        sa.Column("aggregate_version", sa.Integer(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("publish_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="outbox_pkey"),
    )
    op.create_index("outbox_retention_index", "outbox", ["publish_time"], unique=False)
    op.create_index(
        "outbox_unpublished_index",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("publish_time IS NULL"),
    )
    op.create_table(
        "rescorings",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("compute_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refresh_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", name="rescorings_pkey"),
    )
    op.create_table(
        "scores",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("last_order_date", sa.Date(), nullable=True),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("ordered", sa.Numeric(), nullable=True),
        sa.Column("returned", sa.Numeric(), nullable=True),
        sa.Column("currency_code", sa.Text(), nullable=True),
        sa.Column("recency", sa.Integer(), nullable=False),
        sa.Column("frequency", sa.Integer(), nullable=False),
        sa.Column("monetary", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("rfm_unknown_reason", sa.Text(), nullable=True),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("tier_unknown_reason", sa.Text(), nullable=True),
        sa.Column(
            "rfm_value", sa.Integer(), sa.Computed("recency + frequency + monetary", persisted=True), nullable=False
        ),
        sa.Column(
            "contribution", sa.Numeric(), sa.Computed("COALESCE(ordered - returned, 0)", persisted=True), nullable=False
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="scores_pkey"),
    )
    op.create_index("scores_contribution_index", "scores", ["tenant_id", "contribution", "id"], unique=False)
    op.create_index("scores_rfm_index", "scores", ["tenant_id", "rfm_value", "id"], unique=False)
    op.create_index("scores_tier_index", "scores", ["tenant_id", "tier", "contribution", "id"], unique=False)
    protected(
        "access_roles",
        "access_teams",
        "access_users",
        "account_days",
        "accounts",
        "changes",
        "credit_limits",
        "credit_orders",
        "custom_field_versions",
        "custom_fields",
        "custom_values",
        "facts",
        "scores",
        plumbing=["access_tenants", "dead_letters", "idempotency_keys", "inbox", "leases", "outbox", "rescorings"],
    )


def downgrade() -> None:
    op.drop_index("scores_tier_index", table_name="scores")
    op.drop_index("scores_rfm_index", table_name="scores")
    op.drop_index("scores_contribution_index", table_name="scores")
    op.drop_table("scores")
    op.drop_table("rescorings")
    op.drop_index("outbox_unpublished_index", table_name="outbox", postgresql_where=sa.text("publish_time IS NULL"))
    op.drop_index("outbox_retention_index", table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("leases")
    op.drop_index("inbox_retention_index", table_name="inbox")
    op.drop_table("inbox")
    op.drop_index("idempotency_keys_retention_index", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("facts_account_index", table_name="facts")
    op.drop_table("facts")
    op.drop_index("dead_letters_retention_index", table_name="dead_letters")
    op.drop_table("dead_letters")
    op.drop_index("custom_values_unique_index", table_name="custom_values", postgresql_where=sa.text('"unique"'))
    op.drop_index("custom_values_token_index", table_name="custom_values")
    op.drop_table("custom_values")
    op.drop_index("custom_fields_position_index", table_name="custom_fields")
    op.drop_table("custom_fields")
    op.drop_table("custom_field_versions")
    op.drop_index(
        "credit_orders_used_index",
        table_name="credit_orders",
        postgresql_where=sa.text("state IN ('RESERVED', 'RELEASED') AND amount > paid"),
    )
    op.drop_index("credit_orders_retention_index", table_name="credit_orders")
    op.drop_table("credit_orders")
    op.drop_table("credit_limits")
    op.drop_table("changes")
    op.drop_index("accounts_owner_team_index", table_name="accounts")
    op.drop_index("accounts_owner_index", table_name="accounts")
    op.drop_table("accounts")
    op.drop_index("account_days_day_index", table_name="account_days")
    op.drop_table("account_days")
    op.drop_index("access_users_login_index", table_name="access_users")
    op.drop_table("access_users")
    op.drop_table("access_tenants")
    op.drop_index("access_teams_parent_index", table_name="access_teams")
    op.drop_table("access_teams")
    op.drop_table("access_roles")
    drop_functions()
