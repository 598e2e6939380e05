"""Answers that leave by the channel, and what of them is still to go."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "outbound_messages",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("to_addresses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("cc_addresses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("attachment_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("from_address", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("thread_references", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("pending_addresses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("refused_addresses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failure_detail", sa.Text(), nullable=True),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("sent_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("writer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"], ["cases.tenant_id", "cases.id"], name="outbound_messages_case_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"], name="outbound_messages_channel_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="outbound_messages_pkey"),
        sa.UniqueConstraint("tenant_id", "channel_id", "source_id", name="outbound_messages_source_key"),
    )
    op.create_index(
        "outbound_messages_case_index", "outbound_messages", ["tenant_id", "case_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "outbound_messages_create_time_index", "outbound_messages", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "outbound_messages_state_index", "outbound_messages", ["tenant_id", "state", "create_time", "id"], unique=False
    )
    op.create_index(
        "outbound_messages_update_time_index", "outbound_messages", ["tenant_id", "update_time", "id"], unique=False
    )
    op.create_index(
        "outbound_messages_writer_index",
        "outbound_messages",
        ["tenant_id", "writer_id", "create_time", "id"],
        unique=False,
    )
    op.create_table(
        "outbound_queue",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("by_mailbox", sa.Boolean(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["outbound_messages.tenant_id", "outbound_messages.id"],
            name="outbound_queue_message_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", name="outbound_queue_pkey"),
    )
    op.create_index(
        "outbound_queue_channel_index", "outbound_queue", ["tenant_id", "channel_id", "due_time"], unique=False
    )
    op.create_index(
        "outbound_queue_due_index", "outbound_queue", ["due_time"], unique=False, postgresql_where="by_mailbox"
    )
    op.create_index("outbound_queue_end_index", "outbound_queue", ["end_time"], unique=False)
    op.add_column("mailboxes", sa.Column("smtp_host", sa.Text(), nullable=True))
    op.add_column("mailboxes", sa.Column("smtp_port", sa.Integer(), nullable=True))
    op.add_column("mailboxes", sa.Column("smtp_security", sa.Text(), server_default="TLS", nullable=False))
    op.add_column("mailboxes", sa.Column("smtp_login", sa.Text(), nullable=True))
    protected("outbound_messages", plumbing=["outbound_queue"])


def downgrade() -> None:
    op.drop_column("mailboxes", "smtp_login")
    op.drop_column("mailboxes", "smtp_security")
    op.drop_column("mailboxes", "smtp_port")
    op.drop_column("mailboxes", "smtp_host")
    op.drop_index("outbound_queue_end_index", table_name="outbound_queue")
    op.drop_index("outbound_queue_due_index", table_name="outbound_queue", postgresql_where="by_mailbox")
    op.drop_index("outbound_queue_channel_index", table_name="outbound_queue")
    op.drop_table("outbound_queue")
    op.drop_index("outbound_messages_writer_index", table_name="outbound_messages")
    op.drop_index("outbound_messages_update_time_index", table_name="outbound_messages")
    op.drop_index("outbound_messages_state_index", table_name="outbound_messages")
    op.drop_index("outbound_messages_create_time_index", table_name="outbound_messages")
    op.drop_index("outbound_messages_case_index", table_name="outbound_messages")
    op.drop_table("outbound_messages")
