"""Who works on accounts beside their owners."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "account_members",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="account_members_account_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="account_members_pkey"),
    )
    op.create_index("account_members_account_index", "account_members", ["tenant_id", "account_id"], unique=False)
    op.create_index(
        "account_members_create_time_index", "account_members", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index("account_members_user_index", "account_members", ["tenant_id", "user_id"], unique=False)
    protected("account_members")


def downgrade() -> None:
    op.drop_table("account_members")
