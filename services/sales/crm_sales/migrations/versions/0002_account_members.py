"""Members of the teams of accounts, as the customer service has them."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "account_members",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="account_members_pkey"),
    )
    op.create_index("account_members_user_index", "account_members", ["tenant_id", "user_id"], unique=False)
    protected("account_members")


def downgrade() -> None:
    op.drop_table("account_members")
