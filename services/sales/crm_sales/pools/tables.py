"""Table of pools: one a tenant."""

from crm_kit.database.tables import tenant_table, versioned_columns
from sqlalchemy import Column, Text, Uuid
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
