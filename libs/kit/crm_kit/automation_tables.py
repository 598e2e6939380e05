"""The tables of automation rules and of their runs.

docs/adr/0023-rules-run-where-their-records-are.md has the reasons.
"""

from datetime import timedelta

from sqlalchemy import Column, Date, DateTime, Index, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_kit.database.tables import Clock, Kept, Retention, Violation, tenant_table, versioned_columns


def rules_table(metadata: MetaData) -> Table:
    """What people have said that happens by itself."""
    table = tenant_table(
        "automation_rules",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("trigger", JSONB, nullable=False),
        Column("filter", Text, nullable=False),
        Column("filter_before", Text, nullable=False),
        Column("actions", JSONB, nullable=False),
        Column("state", Text, nullable=False),
        Column("stop_reason", Text),
        Column("activator_id", Uuid),
        Column("activate_time", DateTime(timezone=True)),
        *versioned_columns(),
        retention=Kept("what people write; 200 of a collection are active at most"),
    )
    Index("automation_rules_time_index", *(table.c[name] for name in ("tenant_id", "create_time", "id")))
    Index(
        "automation_rules_active_index",
        table.c.tenant_id,
        table.c.collection,
        postgresql_where=text("state = 'ACTIVE'"),
    )
    return table


def timers_table(metadata: MetaData) -> Table:
    """When active rules that the calendar sets off are looked at next, and how far each has come."""
    table = tenant_table(
        "automation_timers",
        metadata,
        Column("rule_id", Uuid, nullable=False),
        Column("due_time", DateTime(timezone=True), nullable=False),
        Column("day", Date),
        Column("since_time", DateTime(timezone=True)),
        Column("until_time", DateTime(timezone=True)),
        Column("after_id", Uuid),
        Column("taken", Integer, nullable=False),
        Column("turn", Integer, nullable=False),
        key=("rule_id",),
        plumbing=True,
        retention=Kept("a row for each active rule with a date or a schedule"),
    )
    Index("automation_timers_due_index", table.c.tenant_id, table.c.due_time)
    return table


def runs_table(metadata: MetaData) -> Table:
    """What rules did, and why not; one for each rule and event, however often the event comes."""
    table = tenant_table(
        "automation_runs",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("rule_id", Uuid, nullable=False),
        Column("rule_etag", Text, nullable=False),
        Column("event", Text, nullable=False),
        Column("event_id", Uuid, nullable=False),
        Column("root_event_id", Uuid, nullable=False),
        Column("record_id", Uuid, nullable=False),
        Column("record_etag", Text, nullable=False),
        Column("activator_id", Uuid, nullable=False),
        Column("state", Text, nullable=False),
        Column("effects", JSONB, nullable=False),
        Column("failed_action", Integer, nullable=False),
        Column("reason", Text),
        Column("detail", Text),
        Column("fields", ARRAY(Text), nullable=False),
        Column("causes", JSONB, nullable=False),
        Column("due_time", DateTime(timezone=True)),
        *versioned_columns(),
        retention=Retention("create_time", timedelta(days=90), Clock.TENANT),
    )
    Index(
        "automation_runs_event_index",
        *(table.c[name] for name in ("tenant_id", "event_id", "rule_id")),
        unique=True,
        # Of two processes that are sent one event at once one runs the rule; the other finds that when it tries again.
        info={
            "violation": Violation("conflict", "CONFLICT", "event_id", "another process ran the rule at the same time")
        },
    )
    Index(
        "automation_runs_list_index",
        *(table.c[name] for name in ("tenant_id", "collection", "create_time", "id")),
    )
    Index("automation_runs_rule_index", *(table.c[name] for name in ("tenant_id", "rule_id", "create_time")))
    Index("automation_runs_root_index", *(table.c[name] for name in ("tenant_id", "root_event_id", "create_time")))
    Index("automation_runs_record_index", *(table.c[name] for name in ("tenant_id", "record_id", "create_time")))
    Index(
        "automation_runs_stopped_index",
        *(table.c[name] for name in ("tenant_id", "rule_id", "state", "create_time")),
        postgresql_where=text("state != 'SUCCEEDED'"),
    )
    return table
