"""Tables of feeds."""

from crm_kit.database.tables import Kept, reference, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Text, Uuid, false, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

feeds = tenant_table(
    "feeds",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("external_source", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("columns", JSONB, nullable=False),
    Column("layout", JSONB),
    Column("default_region", Text, nullable=False),
    Column("skip_invalid_cells", Boolean, nullable=False),
    Column("keep_opportunities", Boolean, nullable=False),
    Column("account_owner_id", Uuid),
    Column("responsible_id", Uuid, nullable=False),
    Column("schedule", JSONB),
    Column("least_rows", Integer, nullable=False),
    Column("least_percent", Integer, nullable=False),
    Column("value_source", Text, nullable=False, server_default=""),
    Column("keep_values", Boolean, nullable=False, server_default=false()),
    Column("state", Text, nullable=False),
    Column("pause_reason", Text),
    Column("activator_id", Uuid, nullable=False),
    # From here on: what is known of its deliveries, written by who carries them out and by nobody else.
    Column("health", Text, nullable=False, server_default="OK"),
    Column("last_delivery_time", DateTime(timezone=True)),
    Column("last_data_date", Date),
    Column("next_due_time", DateTime(timezone=True)),
    Column("missing_date", Date),
    *versioned_columns(),
)
Index("feeds_create_time_index", *(feeds.c[name] for name in ("tenant_id", "create_time", "id")))
Index("feeds_display_name_index", *(feeds.c[name] for name in ("tenant_id", "display_name_key", "id")))

# When a feed is looked at next: what is due is looked for across tenants. Whoever changes a feed or a delivery of it
# takes its row first, so that they come one after the other.
feed_timers = tenant_table(
    "feed_timers",
    metadata,
    Column("feed_id", Uuid, nullable=False),
    # On the tenant's clock; null while there is nothing to look for.
    Column("due_time", DateTime(timezone=True)),
    # The day whose file is expected next; null until that is found out anew.
    Column("expected_day", Date),
    reference("feed_id", "feeds", name="feed_timers_feed_fkey", field="id"),
    key=("feed_id",),
    plumbing=True,
    retention=Kept("a row for each feed"),
)
Index(
    "feed_timers_due_index",
    *(feed_timers.c[name] for name in ("tenant_id", "due_time")),
    postgresql_where=text("due_time IS NOT NULL"),
    info={"across_tenants": True},
)
