"""Calls, what was told of them, and whose telephones are."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "call_facts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("receive_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("happen_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=True),
        sa.Column("to_number", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("extension", sa.Text(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("menu_choice", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("recording_url", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", "position", name="call_facts_pkey"),
    )
    op.create_index("call_facts_retention_index", "call_facts", ["tenant_id", "receive_time"], unique=False)
    op.create_table(
        "call_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", name="call_timers_pkey"),
    )
    op.create_index("call_timers_due_index", "call_timers", ["tenant_id", "due_time"], unique=False)
    op.create_table(
        "calls",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("from_number", sa.Text(), nullable=True),
        sa.Column("to_number", sa.Text(), nullable=True),
        sa.Column("customer_number", sa.Text(), nullable=True),
        sa.Column("match", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("user_team_id", sa.Uuid(), nullable=True),
        sa.Column("extension", sa.Text(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("menu_choices", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("begin_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ring_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waiting_seconds", sa.Integer(), nullable=True),
        sa.Column("talk_seconds", sa.Integer(), nullable=True),
        sa.Column("missed", sa.Boolean(), nullable=False),
        sa.Column("called_back", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("recording_url", sa.Text(), nullable=True),
        sa.Column("ring_count", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"], name="calls_channel_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="calls_pkey"),
        sa.UniqueConstraint("tenant_id", "channel_id", "source_id", name="calls_source_key"),
    )
    op.create_index(
        "calls_account_index",
        "calls",
        ["tenant_id", "account_id", "begin_time", "id"],
        unique=False,
    )
    op.create_index("calls_begin_time_index", "calls", ["tenant_id", "begin_time", "id"], unique=False)
    op.create_index(
        "calls_contact_index",
        "calls",
        ["tenant_id", "contact_id", "begin_time", "id"],
        unique=False,
    )
    op.create_index("calls_create_time_index", "calls", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index(
        "calls_missed_index", "calls", ["tenant_id", "missed", "called_back", "begin_time", "id"], unique=False
    )
    op.create_index(
        "calls_number_index",
        "calls",
        ["tenant_id", "customer_number", "begin_time", "id"],
        unique=False,
    )
    op.create_index("calls_match_index", "calls", ["tenant_id", "match", "begin_time", "id"], unique=False)
    op.create_index("calls_update_time_index", "calls", ["tenant_id", "update_time", "id"], unique=False)
    op.create_index("calls_user_index", "calls", ["tenant_id", "user_id", "begin_time", "id"], unique=False)
    op.create_index(
        "calls_user_team_index",
        "calls",
        ["tenant_id", "user_team_id", "begin_time", "id"],
        unique=False,
    )
    op.add_column(
        "channels", sa.Column("extensions", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column(
        "channels",
        sa.Column("recording_hosts", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    protected("call_facts", "calls", plumbing=["call_timers"])


def downgrade() -> None:
    op.drop_column("channels", "recording_hosts")
    op.drop_column("channels", "extensions")
    op.drop_index("calls_user_team_index", table_name="calls")
    op.drop_index("calls_user_index", table_name="calls")
    op.drop_index("calls_update_time_index", table_name="calls")
    op.drop_index("calls_match_index", table_name="calls")
    op.drop_index("calls_number_index", table_name="calls")
    op.drop_index("calls_missed_index", table_name="calls")
    op.drop_index("calls_create_time_index", table_name="calls")
    op.drop_index("calls_contact_index", table_name="calls")
    op.drop_index("calls_begin_time_index", table_name="calls")
    op.drop_index("calls_account_index", table_name="calls")
    op.drop_table("calls")
    op.drop_index("call_timers_due_index", table_name="call_timers")
    op.drop_table("call_timers")
    op.drop_index("call_facts_retention_index", table_name="call_facts")
    op.drop_table("call_facts")
