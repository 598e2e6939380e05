"""Keys by which accounts that may be the same are found."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

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
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="duplicate_key_backfills_pkey"),
    )
    protected("duplicate_keys", plumbing=["duplicate_key_backfills"])
    # Tenants that come later have keys with each account from the first on.
    op.execute("INSERT INTO duplicate_key_backfills (tenant_id, due_time) SELECT tenant_id, now() FROM access_tenants")


def downgrade() -> None:
    op.drop_table("duplicate_key_backfills")
    op.drop_table("duplicate_keys")
