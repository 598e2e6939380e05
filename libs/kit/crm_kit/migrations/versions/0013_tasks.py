"""tasks."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "task_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("tell_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "task_id", "kind", name="task_timers_pkey"),
    )
    op.create_index("task_timers_time_index", "task_timers", ["tenant_id", "tell_time"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminder_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=True),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="tasks_pkey"),
    )
    op.create_index("tasks_deadline_index", "tasks", ["tenant_id", "deadline_time", "id"], unique=False)
    op.create_index("tasks_list_index", "tasks", ["tenant_id", "collection", "deadline_time", "id"], unique=False)
    op.create_index(
        "tasks_open_index",
        "tasks",
        ["tenant_id", "assignee_id", "deadline_time", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.create_index("tasks_record_index", "tasks", ["tenant_id", "record_id", "id"], unique=False)
    protected("tasks", plumbing=["task_timers"])


def downgrade() -> None:
    op.drop_index("tasks_record_index", table_name="tasks")
    op.drop_index("tasks_open_index", table_name="tasks", postgresql_where=sa.text("state = 'OPEN'"))
    op.drop_index("tasks_list_index", table_name="tasks")
    op.drop_index("tasks_deadline_index", table_name="tasks")
    op.drop_table("tasks")
    op.drop_index("task_timers_time_index", table_name="task_timers")
    op.drop_table("task_timers")
