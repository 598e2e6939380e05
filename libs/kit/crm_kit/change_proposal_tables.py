"""The tables of change proposals. docs/adr/0039-proposals-are-updates-that-wait.md has the reasons."""

from datetime import timedelta

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_kit.database.tables import Clock, Kept, Retention, tenant_table, versioned_columns

PROPOSAL_LASTS = timedelta(days=730)
"""After its end; that it was accepted stays in the history of the record."""


def change_proposals_table(metadata: MetaData) -> Table:
    """Values that people propose for records, and what became of them."""
    table = tenant_table(
        "change_proposals",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("record_id", Uuid, nullable=False),
        Column("values", JSONB, nullable=False),
        Column("old_values", JSONB, nullable=False),
        Column("reason", Text, nullable=False),
        Column("evidence", Text),
        Column("link", Text),
        Column("attachment_ids", ARRAY(Uuid), nullable=False),
        Column("proposer_id", Uuid, nullable=False),
        Column("state", Text, nullable=False),
        Column("decisions", JSONB, nullable=False),
        Column("escalated_to_ids", ARRAY(Uuid), nullable=False),
        Column("escalate_time", DateTime(timezone=True)),
        Column("end_time", DateTime(timezone=True)),
        *versioned_columns(),
        retention=Retention("end_time", PROPOSAL_LASTS, Clock.TENANT),
    )
    Index("change_proposals_list_index", *(table.c[name] for name in ("tenant_id", "collection", "create_time", "id")))
    Index("change_proposals_time_index", *(table.c[name] for name in ("tenant_id", "create_time", "id")))
    Index("change_proposals_record_index", *(table.c[name] for name in ("tenant_id", "record_id", "id")))
    Index("change_proposals_proposer_index", *(table.c[name] for name in ("tenant_id", "proposer_id", "create_time")))
    Index(
        "change_proposals_pending_index",
        *(table.c[name] for name in ("tenant_id", "collection", "record_id")),
        postgresql_where=text("state = 'PENDING'"),
    )
    return table


def change_proposal_timers_table(metadata: MetaData) -> Table:
    """When proposals that nobody has decided go up: what is looked for across tenants."""
    table = tenant_table(
        "change_proposal_timers",
        metadata,
        Column("proposal_id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("due_time", DateTime(timezone=True), nullable=False),
        key=("proposal_id",),
        plumbing=True,
        retention=Kept("a row for each proposal that waits, deleted when it is decided"),
    )
    Index("change_proposal_timers_due_index", table.c.tenant_id, table.c.due_time)
    return table
