"""Tables of webhook endpoints."""

from crm_kit.database.tables import Kept, reference, tenant_table, versioned_columns
from sqlalchemy import ARRAY, Boolean, Column, DateTime, Index, Integer, LargeBinary, Text, Uuid, text

from crm_customer.metadata import metadata

webhook_endpoints = tenant_table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("collections", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False),
    Column("disable_reason", Text),
    Column("disable_time", DateTime(timezone=True)),
    Column("activator_id", Uuid, nullable=False),
    Column("secret_time", DateTime(timezone=True), nullable=False),
    Column("failing_since_time", DateTime(timezone=True)),
    *versioned_columns(),
)
Index(
    "webhook_endpoints_create_time_index",
    *(webhook_endpoints.c[name] for name in ("tenant_id", "create_time", "id")),
)
Index(
    "webhook_endpoints_display_name_index",
    *(webhook_endpoints.c[name] for name in ("tenant_id", "display_name_key", "id")),
)

# Beside the endpoints, so that no list or history ever carries one.
webhook_secrets = tenant_table(
    "webhook_secrets",
    metadata,
    Column("endpoint_id", Uuid, nullable=False),
    # Encrypted by CRM_SIGNING_KEY_SECRET: 12 bytes of nonce, then AES-256-GCM.
    Column("secret", LargeBinary, nullable=False),
    # The one before, which signs, too, until this time on the tenant's clock.
    Column("old_secret", LargeBinary),
    Column("old_until_time", DateTime(timezone=True)),
    reference("endpoint_id", "webhook_endpoints", name="webhook_secrets_endpoint_fkey", field="id"),
    key=("endpoint_id",),
    retention=Kept("a row for each webhook endpoint"),
)

# What is looked for across tenants: which endpoints hear, and which have something to be sent, by whom until when.
webhook_queues = tenant_table(
    "webhook_queues",
    metadata,
    Column("endpoint_id", Uuid, nullable=False),
    # The endpoint's: whoever remembers another one reads it anew.
    Column("version", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    # When something is to be sent next, on the tenant's clock; null while nothing waits.
    Column("due_time", DateTime(timezone=True)),
    # Grows with everything that comes to wait: whoever finds nothing more has seen all if it still has not grown.
    Column("arrivals", Integer, nullable=False, server_default="0"),
    Column("holder", Uuid),
    # By the database's clock.
    Column("expire_time", DateTime(timezone=True)),
    reference("endpoint_id", "webhook_endpoints", name="webhook_queues_endpoint_fkey", field="id"),
    key=("endpoint_id",),
    plumbing=True,
    retention=Kept("a row for each webhook endpoint that is not archived"),
)
# Most wait for nothing, and nobody has them: what is due, and whose, is found among the few others.
Index(
    "webhook_queues_due_index",
    *(webhook_queues.c[name] for name in ("due_time", "tenant_id")),
    postgresql_where=text("due_time IS NOT NULL"),
    info={"across_tenants": True},
)
Index(
    "webhook_queues_expire_index",
    *(webhook_queues.c[name] for name in ("expire_time", "tenant_id")),
    postgresql_where=text("expire_time IS NOT NULL"),
    info={"across_tenants": True},
)
