"""Keys by which accounts that may be the same are found."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "duplicate_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="duplicate_keys_account_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", "account_id", name="duplicate_keys_pkey"),
    )
    op.create_table(
        "duplicate_key_backfills",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("last_account_id", sa.Uuid(), nullable=True),
        sa.Column("looks_again", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="duplicate_key_backfills_pkey"),
    )
    op.create_table(
        "duplicate_pairs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("other_account_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("dismisser_id", sa.Uuid(), nullable=True),
        sa.Column("dismiss_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dismiss_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="duplicate_pairs_account_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "other_account_id"], ["accounts.tenant_id", "accounts.id"], name="duplicate_pairs_other_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="duplicate_pairs_pkey"),
        sa.UniqueConstraint("tenant_id", "account_id", "other_account_id", name="duplicate_pairs_once_key"),
    )
    op.create_index("duplicate_pairs_create_time_index", "duplicate_pairs", ["tenant_id", "create_time", "id"])
    op.create_index("duplicate_pairs_score_index", "duplicate_pairs", ["tenant_id", "score", "id"])
    op.create_index("duplicate_pairs_other_index", "duplicate_pairs", ["tenant_id", "other_account_id"])
    op.create_table(
        "duplicate_scans",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("last_key", sa.BigInteger(), nullable=False),
        sa.Column("last_pair_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", name="duplicate_scans_pkey"),
    )
    protected("duplicate_keys", "duplicate_pairs", "duplicate_scans", plumbing=["duplicate_key_backfills"])
    # Tenants that come later have keys with each account from the first on.
    op.execute("INSERT INTO duplicate_key_backfills (tenant_id, due_time) SELECT tenant_id, now() FROM access_tenants")


def downgrade() -> None:
    op.drop_table("duplicate_scans")
    op.drop_table("duplicate_pairs")
    op.drop_table("duplicate_key_backfills")
    op.drop_table("duplicate_keys")
