"""Tables of pools."""

from crm_kit.database.tables import Kept, tenant_table, versioned_columns
from sqlalchemy import Column, DateTime, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

# `rules` holds durations as text, in seconds.
pools = tenant_table(
    "pools",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("rules", JSONB, nullable=False),
    *versioned_columns(),
)
Index("pools_create_time_index", pools.c.tenant_id, pools.c.create_time, pools.c.id)
Index("pools_display_name_index", pools.c.tenant_id, pools.c.display_name_key, pools.c.id)

# When a tenant's pool is to be looked at next, on its clock. Found across tenants by what takes leads back.
pool_visits = tenant_table(
    "pool_visits",
    metadata,
    Column("due_time", DateTime(timezone=True), nullable=False),
    key=(),
    plumbing=True,
    retention=Kept("a row for each tenant"),
)
