"""The table of users' settings."""

from crm_kit.database.tables import Kept, Violation, tenant_table, versioned_columns
from sqlalchemy import Column, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

# `id` is the user's.
user_settings = tenant_table(
    "user_settings",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("language", Text),
    Column("theme", Text, nullable=False),
    Column("density", Text, nullable=False),
    Column("time_format", Text, nullable=False),
    Column("start_page", Text),
    Column("values", JSONB, nullable=False),
    *versioned_columns(),
    retention=Kept("a row for each user"),
)
# Two first changes at the same time: the second is tried again, and finds the row.
user_settings.primary_key.info["violation"] = Violation(
    "conflict", "CONFLICT", "user_settings", "were changed at the same time"
)
