"""Channels, inbound messages, and the addresses of customers."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "address_holders",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("is_contact", sa.Boolean(), nullable=False),
        sa.Column("account_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="address_holders_pkey"),
    )
    op.create_table(
        "addresses",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "holder_id", "version", "address", name="addresses_pkey"),
    )
    op.create_index("addresses_address_index", "addresses", ["tenant_id", "address"], unique=False)
    op.create_table(
        "channels",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("addresses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("case_opening", sa.Text(), nullable=False),
        sa.Column("case_kind", sa.Text(), nullable=False),
        sa.Column("hourly_limit", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="channels_pkey"),
    )
    op.create_index("channels_create_time_index", "channels", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("channels_display_name_index", "channels", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index("channels_update_time_index", "channels", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "inbound_messages",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("from_name", sa.Text(), nullable=True),
        sa.Column("to_addresses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("thread_references", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sent_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"], ["cases.tenant_id", "cases.id"], name="inbound_messages_case_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"], name="inbound_messages_channel_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="inbound_messages_pkey"),
        sa.UniqueConstraint("tenant_id", "channel_id", "source_id", name="inbound_messages_source_key"),
    )
    op.create_index(
        "inbound_messages_account_index",
        "inbound_messages",
        ["tenant_id", "account_id", "create_time", "id"],
        unique=False,
    )
    op.create_index(
        "inbound_messages_case_index", "inbound_messages", ["tenant_id", "case_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "inbound_messages_contact_index",
        "inbound_messages",
        ["tenant_id", "contact_id", "create_time", "id"],
        unique=False,
    )
    op.create_index(
        "inbound_messages_create_time_index", "inbound_messages", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "inbound_messages_sender_index",
        "inbound_messages",
        ["tenant_id", "channel_id", "from_address", "create_time"],
        unique=False,
    )
    op.create_index(
        "inbound_messages_state_index", "inbound_messages", ["tenant_id", "state", "create_time", "id"], unique=False
    )
    op.create_index(
        "inbound_messages_update_time_index", "inbound_messages", ["tenant_id", "update_time", "id"], unique=False
    )
    op.create_table(
        "message_threads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"], ["cases.tenant_id", "cases.id"], name="message_threads_case_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"], name="message_threads_channel_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "channel_id", "reference", name="message_threads_pkey"),
    )
    op.create_index("message_threads_case_index", "message_threads", ["tenant_id", "case_id"], unique=False)
    protected("address_holders", "addresses", "channels", "inbound_messages", "message_threads")


def downgrade() -> None:
    op.drop_index("message_threads_case_index", table_name="message_threads")
    op.drop_table("message_threads")
    op.drop_index("inbound_messages_update_time_index", table_name="inbound_messages")
    op.drop_index("inbound_messages_state_index", table_name="inbound_messages")
    op.drop_index("inbound_messages_sender_index", table_name="inbound_messages")
    op.drop_index("inbound_messages_create_time_index", table_name="inbound_messages")
    op.drop_index("inbound_messages_contact_index", table_name="inbound_messages")
    op.drop_index("inbound_messages_case_index", table_name="inbound_messages")
    op.drop_index("inbound_messages_account_index", table_name="inbound_messages")
    op.drop_table("inbound_messages")
    op.drop_index("channels_update_time_index", table_name="channels")
    op.drop_index("channels_display_name_index", table_name="channels")
    op.drop_index("channels_create_time_index", table_name="channels")
    op.drop_table("channels")
    op.drop_index("addresses_address_index", table_name="addresses")
    op.drop_table("addresses")
    op.drop_table("address_holders")
