"""Table of pools."""

from crm_kit.database.tables import tenant_table, versioned_columns
from sqlalchemy import Column, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

# `rules` holds durations as text, in seconds.
pools = tenant_table(
    "pools",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("rules", JSONB, nullable=False),
    *versioned_columns(),
)
Index("pools_create_time_index", pools.c.tenant_id, pools.c.create_time, pools.c.id)
Index("pools_display_name_index", pools.c.tenant_id, pools.c.display_name, pools.c.id)
