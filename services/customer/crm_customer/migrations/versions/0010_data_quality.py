"""What is expected of accounts and contacts, and how they stand by it."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "quality_rules",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("value_tiers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("expected_fields", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="quality_rules_pkey"),
    )
    op.create_index(
        "quality_rules_create_time_index", "quality_rules", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index("quality_rules_position_index", "quality_rules", ["tenant_id", "position", "id"], unique=False)
    op.create_table(
        "quality_visits",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("assessed_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "collection", name="quality_visits_pkey"),
    )
    op.add_column(
        "accounts", sa.Column("field_checks", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column(
        "accounts", sa.Column("field_times", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column("accounts", sa.Column("completeness", sa.Integer(), nullable=True))
    op.add_column(
        "accounts",
        sa.Column("missing_fields", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("accounts", sa.Column("next_stale_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("accounts", sa.Column("quality_basis", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("accounts", sa.Column("quality_tier", sa.Text(), nullable=True))
    op.create_index("accounts_completeness_index", "accounts", ["tenant_id", "completeness", "id"], unique=False)
    op.create_index("accounts_next_stale_time_index", "accounts", ["tenant_id", "next_stale_time", "id"], unique=False)
    op.create_index("accounts_quality_basis_index", "accounts", ["tenant_id", "quality_basis"], unique=False)
    op.create_index(
        "accounts_quality_tier_index",
        "accounts",
        ["tenant_id"],
        unique=False,
        postgresql_where=sa.text("quality_tier IS DISTINCT FROM value_tier"),
    )
    op.add_column(
        "contacts", sa.Column("field_checks", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column(
        "contacts", sa.Column("field_times", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column("contacts", sa.Column("completeness", sa.Integer(), nullable=True))
    op.add_column(
        "contacts", sa.Column("missing_fields", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("contacts", sa.Column("next_stale_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("contacts", sa.Column("quality_basis", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_index("contacts_completeness_index", "contacts", ["tenant_id", "completeness", "id"], unique=False)
    op.create_index("contacts_next_stale_time_index", "contacts", ["tenant_id", "next_stale_time", "id"], unique=False)
    op.create_index("contacts_quality_basis_index", "contacts", ["tenant_id", "quality_basis"], unique=False)
    protected("quality_rules", plumbing=["quality_visits"])


def downgrade() -> None:
    op.drop_index("contacts_quality_basis_index", table_name="contacts")
    op.drop_index("contacts_next_stale_time_index", table_name="contacts")
    op.drop_index("contacts_completeness_index", table_name="contacts")
    op.drop_column("contacts", "quality_basis")
    op.drop_column("contacts", "next_stale_time")
    op.drop_column("contacts", "missing_fields")
    op.drop_column("contacts", "completeness")
    op.drop_column("contacts", "field_times")
    op.drop_column("contacts", "field_checks")
    op.drop_index(
        "accounts_quality_tier_index",
        table_name="accounts",
        postgresql_where=sa.text("quality_tier IS DISTINCT FROM value_tier"),
    )
    op.drop_index("accounts_quality_basis_index", table_name="accounts")
    op.drop_index("accounts_next_stale_time_index", table_name="accounts")
    op.drop_index("accounts_completeness_index", table_name="accounts")
    op.drop_column("accounts", "quality_tier")
    op.drop_column("accounts", "quality_basis")
    op.drop_column("accounts", "next_stale_time")
    op.drop_column("accounts", "missing_fields")
    op.drop_column("accounts", "completeness")
    op.drop_column("accounts", "field_times")
    op.drop_column("accounts", "field_checks")
    op.drop_table("quality_visits")
    op.drop_index("quality_rules_position_index", table_name="quality_rules")
    op.drop_index("quality_rules_create_time_index", table_name="quality_rules")
    op.drop_table("quality_rules")
