"""Files that come with messages, messages that rules write, and answers of a case that leave in order."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column(
        "inbound_messages",
        sa.Column("files", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.add_column("inbound_messages", sa.Column("reply_to_address", sa.Text(), nullable=True))
    op.add_column("outbound_messages", sa.Column("automatic", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("mailboxes", sa.Column("sending_failure", sa.Text(), nullable=True))
    op.add_column("mailboxes", sa.Column("sending_failing_since_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("mailbox_positions", sa.Column("sending_told", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("outbound_queue", sa.Column("case_id", sa.Uuid(), nullable=True))
    op.add_column("outbound_queue", sa.Column("holds", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("outbound_queue", sa.Column("first_attempt", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE outbound_queue AS queue SET case_id = message.case_id, holds = message.sent_time IS NULL"
        " FROM outbound_messages AS message"
        " WHERE message.tenant_id = queue.tenant_id AND message.id = queue.message_id"
    )
    op.alter_column("outbound_queue", "case_id", nullable=False)
    op.create_index("outbound_queue_case_index", "outbound_queue", ["tenant_id", "case_id", "message_id"], unique=False)
    op.create_table(
        "automatic_messages",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("day_date", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "address", "day_date", name="automatic_messages_pkey"),
    )
    op.create_index("automatic_messages_retention_index", "automatic_messages", ["tenant_id", "day_date"], unique=False)
    protected("automatic_messages")


def downgrade() -> None:
    op.drop_index("automatic_messages_retention_index", table_name="automatic_messages")
    op.drop_table("automatic_messages")
    op.drop_index("outbound_queue_case_index", table_name="outbound_queue")
    op.drop_column("outbound_queue", "first_attempt")
    op.drop_column("outbound_queue", "holds")
    op.drop_column("outbound_queue", "case_id")
    op.drop_column("mailbox_positions", "sending_told")
    op.drop_column("mailboxes", "sending_failing_since_time")
    op.drop_column("mailboxes", "sending_failure")
    op.drop_column("outbound_messages", "automatic")
    op.drop_column("inbound_messages", "reply_to_address")
    op.drop_column("inbound_messages", "files")
