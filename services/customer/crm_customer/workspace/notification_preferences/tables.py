"""The table of notification preferences."""

from crm_kit.database.tables import Violation, tenant_table, versioned_columns
from sqlalchemy import Column, Index, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

# `id` is the user's.
notification_preferences = tenant_table(
    "notification_preferences",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("choices", JSONB, nullable=False),
    Column("muted_records", JSONB, nullable=False),
    *versioned_columns(),
)
# Somebody chooses in two windows at once for the first time: the later one finds the other's.
notification_preferences.primary_key.info["violation"] = Violation(
    "conflict", "CONFLICT", "id", "they were chosen at the same time"
)
Index(
    "notification_preferences_create_time_index",
    *(notification_preferences.c[name] for name in ("tenant_id", "create_time", "id")),
)
