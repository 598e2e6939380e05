"""The table of reports. docs/adr/0030-reports-are-answered-where-their-records-are.md has the reasons."""

from sqlalchemy import Column, Date, DateTime, Index, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_kit.database.tables import Kept, tenant_table, versioned_columns


def reports_table(metadata: MetaData) -> Table:
    """What people have asked and want to ask again."""
    table = tenant_table(
        "reports",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("question", JSONB, nullable=False),
        Column("chart", Text, nullable=False),
        Column("visibility", Text, nullable=False),
        Column("role_ids", ARRAY(Uuid), nullable=False),
        Column("owner_id", Uuid, nullable=False),
        Column("subscriptions", JSONB, nullable=False, server_default=text("'[]'")),
        Column("state", Text, nullable=False),
        *versioned_columns(),
        retention=Kept("what people write; 500 of a person and collection"),
    )
    Index("reports_time_index", *(table.c[name] for name in ("tenant_id", "create_time", "id")))
    Index("reports_list_index", *(table.c[name] for name in ("tenant_id", "collection", "create_time", "id")))
    Index("reports_owner_index", *(table.c[name] for name in ("tenant_id", "owner_id", "collection")))
    return table


def report_timers_table(metadata: MetaData) -> Table:
    """When subscriptions are sent next, and how far each has come; `automation/timing` says what the columns mean."""
    table = tenant_table(
        "report_timers",
        metadata,
        Column("subscription_id", Uuid, nullable=False),
        Column("report_id", Uuid, nullable=False),
        Column("due_time", DateTime(timezone=True), nullable=False),
        Column("day", Date, nullable=False),
        # The last recipient to whom it was sent of that day.
        Column("after_id", Uuid),
        Column("turn", Integer, nullable=False),
        key=("subscription_id",),
        plumbing=True,
        retention=Kept("a row for each subscription of a report that is in use"),
    )
    Index("report_timers_due_index", table.c.tenant_id, table.c.due_time)
    Index("report_timers_report_index", table.c.tenant_id, table.c.report_id)
    return table
