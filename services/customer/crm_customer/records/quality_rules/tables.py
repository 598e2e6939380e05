"""Tables of quality rules."""

from crm_kit.database.tables import Kept, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Uuid

from crm_customer.metadata import metadata

quality_rules = tenant_table(
    "quality_rules",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("value_tiers", ARRAY(Text), nullable=False),
    Column("expected_fields", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    *versioned_columns(),
)
Index("quality_rules_position_index", *(quality_rules.c[name] for name in ("tenant_id", "position", "id")))
Index("quality_rules_create_time_index", *(quality_rules.c[name] for name in ("tenant_id", "create_time", "id")))

# When the records of a collection are to be looked at next, on the tenant's clock, and how far that is. Found across
# tenants by what assesses them.
quality_visits = tenant_table(
    "quality_visits",
    metadata,
    Column("collection", Text, nullable=False),
    Column("due_time", DateTime(timezone=True), nullable=False),
    Column("pending", Boolean, nullable=False),
    Column("assessed_count", Integer, nullable=False),
    key=("collection",),
    plumbing=True,
    retention=Kept("a row for each tenant and collection"),
)
