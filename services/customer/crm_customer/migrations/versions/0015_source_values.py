"""What sources say of accounts and contacts, which fields they disagree about, and how soon proposals are answered."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "source_values",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("observed_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("state_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdraw_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="source_values_pkey"),
        sa.UniqueConstraint("tenant_id", "collection", "record_id", "field", "source", name="source_values_source_key"),
    )
    op.create_index(
        "source_values_retention_index",
        "source_values",
        ["tenant_id", "withdraw_time"],
        unique=False,
        postgresql_where=sa.text("withdraw_time IS NOT NULL"),
    )
    op.add_column(
        "accounts",
        sa.Column("sourced_fields", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column(
        "accounts",
        sa.Column("conflicting_fields", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.create_index(
        "accounts_conflicting_fields_index",
        "accounts",
        ["tenant_id", "create_time", "id"],
        unique=False,
        postgresql_where=sa.text("cardinality(conflicting_fields) > 0"),
    )
    op.add_column(
        "contacts", sa.Column("sourced_fields", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column(
        "contacts", sa.Column("conflicting_fields", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.create_index(
        "contacts_conflicting_fields_index",
        "contacts",
        ["tenant_id", "create_time", "id"],
        unique=False,
        postgresql_where=sa.text("cardinality(conflicting_fields) > 0"),
    )
    op.add_column("tenants", sa.Column("change_proposal_days", sa.Integer(), server_default="3", nullable=False))
    protected("source_values")


def downgrade() -> None:
    op.drop_column("tenants", "change_proposal_days")
    op.drop_index(
        "contacts_conflicting_fields_index",
        table_name="contacts",
        postgresql_where=sa.text("cardinality(conflicting_fields) > 0"),
    )
    op.drop_column("contacts", "conflicting_fields")
    op.drop_column("contacts", "sourced_fields")
    op.drop_index(
        "accounts_conflicting_fields_index",
        table_name="accounts",
        postgresql_where=sa.text("cardinality(conflicting_fields) > 0"),
    )
    op.drop_column("accounts", "conflicting_fields")
    op.drop_column("accounts", "sourced_fields")
    op.drop_index(
        "source_values_retention_index",
        table_name="source_values",
        postgresql_where=sa.text("withdraw_time IS NOT NULL"),
    )
    op.drop_table("source_values")
