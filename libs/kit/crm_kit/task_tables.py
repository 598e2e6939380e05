"""The tables of tasks. docs/adr/0044-tasks-are-kept-with-their-record.md has the reasons."""

from sqlalchemy import Column, Date, DateTime, Index, MetaData, Table, Text, Uuid, text

from crm_kit.database.tables import Kept, tenant_table, versioned_columns


def tasks_table(metadata: MetaData) -> Table:
    """What somebody is to do about a record, and what came of it."""
    table = tenant_table(
        "tasks",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("record_id", Uuid, nullable=False),
        Column("title", Text, nullable=False),
        Column("note", Text),
        Column("assignee_id", Uuid),
        Column("due_date", Date),
        Column("due_time", DateTime(timezone=True)),
        Column("deadline_time", DateTime(timezone=True)),
        Column("reminder_time", DateTime(timezone=True)),
        Column("priority", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("outcome", Text),
        Column("creator_id", Uuid, nullable=False),
        Column("source", Text, nullable=False),
        Column("rule_id", Uuid),
        Column("end_time", DateTime(timezone=True)),
        Column("ended_by_id", Uuid),
        *versioned_columns(),
        retention=Kept("what was done about records, which stay"),
    )
    Index("tasks_deadline_index", *(table.c[name] for name in ("tenant_id", "deadline_time", "id")))
    Index("tasks_list_index", *(table.c[name] for name in ("tenant_id", "collection", "deadline_time", "id")))
    Index("tasks_record_index", *(table.c[name] for name in ("tenant_id", "record_id", "id")))
    Index(
        "tasks_open_index",
        *(table.c[name] for name in ("tenant_id", "assignee_id", "deadline_time", "id")),
        postgresql_where=text("state = 'OPEN'"),
    )
    return table


def task_timers_table(metadata: MetaData) -> Table:
    """When people are to be told of tasks: what is looked for across tenants."""
    table = tenant_table(
        "task_timers",
        metadata,
        Column("task_id", Uuid, nullable=False),
        # REMINDER or DEADLINE.
        Column("kind", Text, nullable=False),
        Column("collection", Text, nullable=False),
        Column("tell_time", DateTime(timezone=True), nullable=False),
        key=("task_id", "kind"),
        plumbing=True,
        retention=Kept("two rows for each open task at most, deleted when people have been told"),
    )
    Index("task_timers_time_index", table.c.tenant_id, table.c.tell_time)
    return table
