"""Change proposals, and the history that names them."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "change_proposal_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "proposal_id", name="change_proposal_timers_pkey"),
    )
    op.create_index(
        "change_proposal_timers_due_index", "change_proposal_timers", ["tenant_id", "due_time"], unique=False
    )
    op.create_table(
        "change_proposals",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("values", postgresql.JSONB(), nullable=False),
        sa.Column("old_values", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("attachment_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("proposer_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decisions", postgresql.JSONB(), nullable=False),
        sa.Column("escalated_to_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("escalate_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="change_proposals_pkey"),
    )
    op.create_index(
        "change_proposals_list_index",
        "change_proposals",
        ["tenant_id", "collection", "create_time", "id"],
        unique=False,
    )
    op.create_index(
        "change_proposals_pending_index",
        "change_proposals",
        ["tenant_id", "collection", "record_id"],
        unique=False,
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_index(
        "change_proposals_proposer_index", "change_proposals", ["tenant_id", "proposer_id", "create_time"], unique=False
    )
    op.create_index("change_proposals_record_index", "change_proposals", ["tenant_id", "record_id", "id"], unique=False)
    op.create_index(
        "change_proposals_retention_index",
        "change_proposals",
        ["tenant_id", "end_time"],
        unique=False,
        postgresql_where=sa.text("end_time IS NOT NULL"),
    )
    op.create_index("change_proposals_time_index", "change_proposals", ["tenant_id", "create_time", "id"], unique=False)
    op.add_column("changes", sa.Column("change_proposal_id", sa.Uuid(), nullable=True))
    op.add_column("changes", sa.Column("proposer_id", sa.Uuid(), nullable=True))
    protected("change_proposals", plumbing=["change_proposal_timers"])


def downgrade() -> None:
    op.drop_column("changes", "proposer_id")
    op.drop_column("changes", "change_proposal_id")
    op.drop_index("change_proposals_time_index", table_name="change_proposals")
    op.drop_index(
        "change_proposals_retention_index",
        table_name="change_proposals",
        postgresql_where=sa.text("end_time IS NOT NULL"),
    )
    op.drop_index("change_proposals_record_index", table_name="change_proposals")
    op.drop_index("change_proposals_proposer_index", table_name="change_proposals")
    op.drop_index(
        "change_proposals_pending_index", table_name="change_proposals", postgresql_where=sa.text("state = 'PENDING'")
    )
    op.drop_index("change_proposals_list_index", table_name="change_proposals")
    op.drop_table("change_proposals")
    op.drop_index("change_proposal_timers_due_index", table_name="change_proposal_timers")
    op.drop_table("change_proposal_timers")
