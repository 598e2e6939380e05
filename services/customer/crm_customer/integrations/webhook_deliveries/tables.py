"""The table of webhook deliveries."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Retention, reference, tenant_table, versioned_columns
from sqlalchemy import Column, DateTime, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

KEPT_FOR = timedelta(days=30)

webhook_deliveries = tenant_table(
    "webhook_deliveries",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("endpoint_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("record_id", Uuid, nullable=False),
    Column("record_version", Integer, nullable=False),
    Column("event_time", DateTime(timezone=True), nullable=False),
    Column("content", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("attempts", JSONB, nullable=False),
    Column("next_attempt_time", DateTime(timezone=True)),
    Column("failure_count", Integer, nullable=False),
    Column("give_up_time", DateTime(timezone=True)),
    *versioned_columns(),
    reference("endpoint_id", "webhook_endpoints", name="webhook_deliveries_endpoint_fkey", field="id"),
    retention=Retention("create_time", KEPT_FOR, Clock.TENANT),
)
# Of an event an endpoint is told once, however often the event comes: this is the inbox.
Index(
    "webhook_deliveries_event_index",
    *(webhook_deliveries.c[name] for name in ("tenant_id", "endpoint_id", "event_id")),
    unique=True,
)
Index(
    "webhook_deliveries_due_index",
    *(webhook_deliveries.c[name] for name in ("tenant_id", "endpoint_id", "next_attempt_time", "id")),
    postgresql_where=text("state = 'PENDING'"),
)
Index(
    "webhook_deliveries_list_index",
    *(webhook_deliveries.c[name] for name in ("tenant_id", "create_time", "id")),
)
Index(
    "webhook_deliveries_endpoint_index",
    *(webhook_deliveries.c[name] for name in ("tenant_id", "endpoint_id", "create_time", "id")),
)
Index(
    "webhook_deliveries_state_index",
    *(webhook_deliveries.c[name] for name in ("tenant_id", "endpoint_id", "state", "create_time", "id")),
)
Index(
    "webhook_deliveries_record_index",
    *(webhook_deliveries.c[name] for name in ("tenant_id", "record_id", "create_time")),
)
