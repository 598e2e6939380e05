"""Tables of timelines."""

from crm_kit.database.tables import Kept, tenant_table
from sqlalchemy import ARRAY, Column, DateTime, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

# What happened with accounts. The id is that of the event, so an event that comes again finds its entry.
timeline_entries = tenant_table(
    "timeline_entries",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entry_time", DateTime(timezone=True), nullable=False),
    Column("title", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("service", Text, nullable=False),
    Column("reference_type", Text, nullable=False),
    Column("reference_id", Uuid, nullable=False),
    Column("actor_id", Uuid, nullable=False),
    # Of the record when it happened.
    Column("owner_ids", ARRAY(Uuid), nullable=False),
    Column("owner_team_id", Uuid),
    retention=Kept("what happened with accounts, which is part of them"),
)
Index(
    "timeline_entries_account_time_index",
    timeline_entries.c.tenant_id,
    timeline_entries.c.account_id,
    timeline_entries.c.entry_time,
    timeline_entries.c.id,
)
# A kind that is rare on a long timeline is found without reading all the others.
Index(
    "timeline_entries_account_kind_index",
    timeline_entries.c.tenant_id,
    timeline_entries.c.account_id,
    timeline_entries.c.kind,
    timeline_entries.c.entry_time,
    timeline_entries.c.id,
)
