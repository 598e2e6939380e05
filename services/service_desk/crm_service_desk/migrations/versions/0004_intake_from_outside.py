"""Secrets by which adapters sign what they bring, and mailboxes from which mail is fetched."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "channel_secrets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_until_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"], name="channel_secrets_channel_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "channel_id", name="channel_secrets_pkey"),
    )
    op.create_index("channel_secrets_channel_index", "channel_secrets", ["channel_id"], unique=False)
    op.create_table(
        "mailboxes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("host_key", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("password_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failing_since_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"], name="mailboxes_channel_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="mailboxes_pkey"),
    )
    op.create_index("mailboxes_channel_index", "mailboxes", ["tenant_id", "channel_id"], unique=False)
    op.create_index("mailboxes_create_time_index", "mailboxes", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("mailboxes_update_time_index", "mailboxes", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "mailbox_passwords",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("password", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "mailbox_id"], ["mailboxes.tenant_id", "mailboxes.id"], name="mailbox_passwords_mailbox_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "mailbox_id", name="mailbox_passwords_pkey"),
    )
    op.create_table(
        "mailbox_positions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uid_validity", sa.BigInteger(), nullable=True),
        sa.Column("first_uid_next", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("last_uid", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failure_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("told", sa.Boolean(), server_default="false", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "mailbox_id"], ["mailboxes.tenant_id", "mailboxes.id"], name="mailbox_positions_mailbox_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "mailbox_id", name="mailbox_positions_pkey"),
    )
    op.create_index(
        "mailbox_positions_due_index",
        "mailbox_positions",
        ["due_time"],
        unique=False,
        postgresql_where=sa.text("due_time IS NOT NULL"),
    )
    op.create_table(
        "set_aside_mails",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "mailbox_id"], ["mailboxes.tenant_id", "mailboxes.id"], name="set_aside_mails_mailbox_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="set_aside_mails_pkey"),
    )
    op.create_index(
        "set_aside_mails_create_time_index",
        "set_aside_mails",
        ["tenant_id", "mailbox_id", "create_time", "id"],
        unique=False,
    )
    op.create_index(
        "set_aside_mails_retention_index",
        "set_aside_mails",
        ["tenant_id", "create_time"],
        unique=False,
        postgresql_where=None,
    )
    op.create_index(
        "set_aside_mails_uid_index", "set_aside_mails", ["tenant_id", "mailbox_id", "uid_validity", "uid"], unique=True
    )
    op.add_column("channels", sa.Column("secret_time", sa.DateTime(timezone=True), nullable=True))
    protected("mailboxes", "mailbox_passwords", "set_aside_mails", plumbing=["channel_secrets", "mailbox_positions"])


def downgrade() -> None:
    op.drop_column("channels", "secret_time")
    op.drop_index("set_aside_mails_uid_index", table_name="set_aside_mails")
    op.drop_index("set_aside_mails_retention_index", table_name="set_aside_mails", postgresql_where=None)
    op.drop_index("set_aside_mails_create_time_index", table_name="set_aside_mails")
    op.drop_table("set_aside_mails")
    op.drop_index(
        "mailbox_positions_due_index", table_name="mailbox_positions", postgresql_where=sa.text("due_time IS NOT NULL")
    )
    op.drop_table("mailbox_positions")
    op.drop_table("mailbox_passwords")
    op.drop_index("mailboxes_update_time_index", table_name="mailboxes")
    op.drop_index("mailboxes_create_time_index", table_name="mailboxes")
    op.drop_index("mailboxes_channel_index", table_name="mailboxes")
    op.drop_table("mailboxes")
    op.drop_index("channel_secrets_channel_index", table_name="channel_secrets")
    op.drop_table("channel_secrets")
