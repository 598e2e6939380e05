"""Mail that is on its way to the server."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "outgoing_mails",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recipients", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("addressed_to", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("refused", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("file_names", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("media_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("contents", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim_end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gather_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="outgoing_mails_pkey"),
    )
    op.create_index(
        "outgoing_mails_claimed_index",
        "outgoing_mails",
        ["tenant_id", "claim_end_time"],
        unique=False,
        postgresql_where=sa.text("claim_end_time IS NOT NULL"),
    )
    op.create_index(
        "outgoing_mails_due_index",
        "outgoing_mails",
        ["tenant_id", "next_attempt_time"],
        unique=False,
        postgresql_where=sa.text("state = 'WAITING'"),
    )
    op.create_index(
        "outgoing_mails_next_index",
        "outgoing_mails",
        ["next_attempt_time"],
        unique=False,
        postgresql_where=sa.text("state = 'WAITING'"),
    )
    op.create_index("outgoing_mails_retention_index", "outgoing_mails", ["create_time"], unique=False)
    protected(plumbing=["outgoing_mails"])


def downgrade() -> None:
    op.drop_index("outgoing_mails_retention_index", table_name="outgoing_mails")
    op.drop_index(
        "outgoing_mails_next_index", table_name="outgoing_mails", postgresql_where=sa.text("state = 'WAITING'")
    )
    op.drop_index(
        "outgoing_mails_due_index", table_name="outgoing_mails", postgresql_where=sa.text("state = 'WAITING'")
    )
    op.drop_index(
        "outgoing_mails_claimed_index",
        table_name="outgoing_mails",
        postgresql_where=sa.text("claim_end_time IS NOT NULL"),
    )
    op.drop_table("outgoing_mails")
