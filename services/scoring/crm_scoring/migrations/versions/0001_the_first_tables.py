"""The first tables."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
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
    op.create_index(
        "credit_orders_retention_index",
        "credit_orders",
        ["tenant_id", "expire_time"],
        unique=False,
        postgresql_where=sa.text("expire_time IS NOT NULL"),
    )
    op.create_index(
        "credit_orders_used_index",
        "credit_orders",
        ["tenant_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('RESERVED', 'RELEASED') AND amount > paid"),
    )
    op.create_index(
        "credit_orders_waiting_index",
        "credit_orders",
        ["tenant_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('RESERVED', 'HELD')"),
    )
    op.create_table(
        "credit_payments",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("unallocated_amount", sa.Numeric(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="credit_payments_pkey"),
    )
    op.create_index(
        "credit_payments_retention_index",
        "credit_payments",
        ["tenant_id", "expire_time"],
        unique=False,
        postgresql_where=sa.text("expire_time IS NOT NULL"),
    )
    op.create_index(
        "credit_payments_unallocated_index",
        "credit_payments",
        ["tenant_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("unallocated_amount > 0"),
    )
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
        "reservation_ends",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", name="reservation_ends_pkey"),
    )
    op.create_index("reservation_ends_due_index", "reservation_ends", ["tenant_id", "due_time"], unique=False)
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
        sa.Column("rfm", postgresql.JSONB(), nullable=False),
        sa.Column("value_tier", postgresql.JSONB(), nullable=False),
        sa.Column("rfm_value", sa.Integer(), sa.Computed("(rfm ->> 'value')::integer", persisted=True), nullable=True),
        sa.Column("rfm_band", sa.Text(), sa.Computed("rfm ->> 'band'", persisted=True), nullable=False),
        sa.Column(
            "contribution",
            sa.Numeric(),
            sa.Computed("(value_tier #>> '{value,amount}')::numeric", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "currency_code",
            sa.Text(),
            sa.Computed("value_tier #>> '{value,currency_code}'", persisted=True),
            nullable=True,
        ),
        sa.Column("tier", sa.Text(), sa.Computed("value_tier ->> 'band'", persisted=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="scores_pkey"),
    )
    op.create_index("scores_contribution_index", "scores", ["tenant_id", "contribution", "id"], unique=False)
    op.create_index("scores_rfm_band_index", "scores", ["tenant_id", "rfm_band", "contribution", "id"], unique=False)
    op.create_index("scores_rfm_index", "scores", ["tenant_id", "rfm_value", "id"], unique=False)
    op.create_index("scores_tier_index", "scores", ["tenant_id", "tier", "contribution", "id"], unique=False)
    protected(
        "account_days",
        "accounts",
        "credit_limits",
        "credit_orders",
        "credit_payments",
        "facts",
        "scores",
        plumbing=["rescorings", "reservation_ends"],
    )


def downgrade() -> None:
    op.drop_index("scores_tier_index", table_name="scores")
    op.drop_index("scores_rfm_band_index", table_name="scores")
    op.drop_index("scores_rfm_index", table_name="scores")
    op.drop_index("scores_contribution_index", table_name="scores")
    op.drop_table("scores")
    op.drop_table("rescorings")
    op.drop_index("reservation_ends_due_index", table_name="reservation_ends")
    op.drop_table("reservation_ends")
    op.drop_index("facts_account_index", table_name="facts")
    op.drop_table("facts")
    op.drop_index(
        "credit_payments_unallocated_index",
        table_name="credit_payments",
        postgresql_where=sa.text("unallocated_amount > 0"),
    )
    op.drop_index(
        "credit_payments_retention_index",
        table_name="credit_payments",
        postgresql_where=sa.text("expire_time IS NOT NULL"),
    )
    op.drop_table("credit_payments")
    op.drop_index(
        "credit_orders_waiting_index",
        table_name="credit_orders",
        postgresql_where=sa.text("state IN ('RESERVED', 'HELD')"),
    )
    op.drop_index(
        "credit_orders_used_index",
        table_name="credit_orders",
        postgresql_where=sa.text("state IN ('RESERVED', 'RELEASED') AND amount > paid"),
    )
    op.drop_index(
        "credit_orders_retention_index",
        table_name="credit_orders",
        postgresql_where=sa.text("expire_time IS NOT NULL"),
    )
    op.drop_table("credit_orders")
    op.drop_table("credit_limits")
    op.drop_index("accounts_owner_team_index", table_name="accounts")
    op.drop_index("accounts_owner_index", table_name="accounts")
    op.drop_table("accounts")
    op.drop_index("account_days_day_index", table_name="account_days")
    op.drop_table("account_days")
