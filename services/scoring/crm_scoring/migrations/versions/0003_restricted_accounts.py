"""Which accounts are restricted, as the customer service has it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("restricted", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "accounts_restricted_index",
        "accounts",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("restricted"),
    )


def downgrade() -> None:
    op.drop_index("accounts_restricted_index", "accounts")
    op.drop_column("accounts", "restricted")
