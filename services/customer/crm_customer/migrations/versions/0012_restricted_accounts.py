"""Accounts that are open to few."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("restricted", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "accounts_restricted_index",
        "accounts",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("restricted"),
    )
    op.add_column("accounts", sa.Column("restricted_by", sa.Text(), nullable=True))
    op.add_column("accounts", sa.Column("restriction_reason", sa.Text(), nullable=True))
    op.create_index(
        "accounts_undecided_index",
        "accounts",
        ["tenant_id", "value_tier", "kind"],
        unique=False,
        postgresql_where=sa.text("restricted_by IS NULL"),
    )
    op.create_table(
        "account_restrictions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("value_tiers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="account_restrictions_pkey"),
    )
    op.create_index("account_restrictions_due_index", "account_restrictions", ["due_time"], unique=False)
    op.create_table(
        "account_reads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("read_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="account_reads_pkey"),
        sa.UniqueConstraint("tenant_id", "account_id", "read_time", "user_id", "method", name="account_reads_once_key"),
    )
    op.create_index("account_reads_list_index", "account_reads", ["tenant_id", "account_id", "read_time", "id"])
    op.create_index("account_reads_retention_index", "account_reads", ["tenant_id", "read_time"])
    protected("account_reads", plumbing=["account_restrictions"])


def downgrade() -> None:
    op.drop_table("account_reads")
    op.drop_table("account_restrictions")
    op.drop_index("accounts_undecided_index", "accounts")
    op.drop_column("accounts", "restriction_reason")
    op.drop_column("accounts", "restricted_by")
    op.drop_index("accounts_restricted_index", "accounts")
    op.drop_column("accounts", "restricted")
