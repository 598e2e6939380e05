"""What people are told, and how they want to be told."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "notification_preferences",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("choices", postgresql.JSONB(), nullable=False),
        sa.Column("muted_records", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="notification_preferences_pkey"),
    )
    op.create_index(
        "notification_preferences_create_time_index",
        "notification_preferences",
        ["tenant_id", "create_time", "id"],
        unique=False,
    )
    op.create_table(
        "notifications",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("record_title", sa.Text(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("values", postgresql.JSONB(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("notice_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read", sa.Boolean(), nullable=False),
        sa.Column("read_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="notifications_pkey"),
    )
    op.create_index(
        "notifications_digest_index",
        "notifications",
        ["tenant_id", "notice_time", "user_id"],
        unique=False,
        postgresql_where=sa.text("digest"),
    )
    op.create_index(
        "notifications_list_index",
        "notifications",
        ["tenant_id", "user_id", "notice_time", "id"],
        unique=False,
        postgresql_where=sa.text("shown"),
    )
    op.create_index(
        "notifications_read_index",
        "notifications",
        ["tenant_id", "user_id", "read", "notice_time", "id"],
        unique=False,
        postgresql_where=sa.text("shown"),
    )
    op.create_index("notifications_record_index", "notifications", ["tenant_id", "user_id", "record_id"], unique=False)
    op.create_index(
        "notifications_retention_index",
        "notifications",
        ["tenant_id", "notice_time"],
        unique=False,
    )
    op.create_index(
        "notifications_unread_index",
        "notifications",
        ["tenant_id", "user_id", "record_id", "kind", "collection"],
        unique=True,
        postgresql_where=sa.text("NOT read"),
    )
    protected("notification_preferences", "notifications")


def downgrade() -> None:
    op.drop_index("notifications_unread_index", table_name="notifications", postgresql_where=sa.text("NOT read"))
    op.drop_index("notifications_retention_index", table_name="notifications")
    op.drop_index("notifications_record_index", table_name="notifications")
    op.drop_index("notifications_read_index", table_name="notifications", postgresql_where=sa.text("shown"))
    op.drop_index("notifications_list_index", table_name="notifications", postgresql_where=sa.text("shown"))
    op.drop_index("notifications_digest_index", table_name="notifications", postgresql_where=sa.text("digest"))
    op.drop_table("notifications")
    op.drop_index("notification_preferences_create_time_index", table_name="notification_preferences")
    op.drop_table("notification_preferences")
