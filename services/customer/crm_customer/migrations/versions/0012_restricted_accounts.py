"""Accounts that are open to few."""

import sqlalchemy as sa
from alembic import op

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


def downgrade() -> None:
    op.drop_column("accounts", "restriction_reason")
    op.drop_column("accounts", "restricted_by")
    op.drop_index("accounts_restricted_index", "accounts")
    op.drop_column("accounts", "restricted")
