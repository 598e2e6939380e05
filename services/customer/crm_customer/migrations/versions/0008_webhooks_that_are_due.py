"""Webhook endpoints that are due, and those that somebody sends to, are found among all others."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index(
        "webhook_queues_due_index",
        "webhook_queues",
        ["due_time", "tenant_id"],
        unique=False,
        postgresql_where=sa.text("due_time IS NOT NULL"),
    )
    op.create_index(
        "webhook_queues_expire_index",
        "webhook_queues",
        ["expire_time", "tenant_id"],
        unique=False,
        postgresql_where=sa.text("expire_time IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "webhook_queues_expire_index", table_name="webhook_queues", postgresql_where=sa.text("expire_time IS NOT NULL")
    )
    op.drop_index(
        "webhook_queues_due_index", table_name="webhook_queues", postgresql_where=sa.text("due_time IS NOT NULL")
    )
