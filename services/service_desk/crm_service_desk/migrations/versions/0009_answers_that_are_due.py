"""What is due is looked for tenant by tenant, and a version of before 0008 can go on writing while it serves.

That one names no case in the queue, which 0008 asked for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.alter_column("outbound_queue", "case_id", nullable=True)
    op.create_index(
        "outbound_queue_unordered_index",
        "outbound_queue",
        ["tenant_id"],
        unique=False,
        postgresql_where=sa.text("case_id IS NULL"),
    )
    op.create_index(
        "outbound_queue_tenant_due_index",
        "outbound_queue",
        ["tenant_id", "due_time", "message_id"],
        unique=False,
        postgresql_where=sa.text("by_mailbox"),
    )
    op.drop_index("outbound_queue_due_index", table_name="outbound_queue", postgresql_where=sa.text("by_mailbox"))


def downgrade() -> None:
    op.create_index(
        "outbound_queue_due_index",
        "outbound_queue",
        ["due_time"],
        unique=False,
        postgresql_where=sa.text("by_mailbox"),
    )
    op.drop_index("outbound_queue_tenant_due_index", table_name="outbound_queue")
    op.drop_index(
        "outbound_queue_unordered_index", table_name="outbound_queue", postgresql_where=sa.text("case_id IS NULL")
    )
    op.execute(
        "UPDATE outbound_queue AS queue SET case_id = message.case_id FROM outbound_messages AS message"
        " WHERE queue.case_id IS NULL AND message.tenant_id = queue.tenant_id AND message.id = queue.message_id"
    )
    op.alter_column("outbound_queue", "case_id", nullable=False)
