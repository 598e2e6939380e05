"""Table of channels."""

from crm_kit.database.tables import tenant_table, versioned_columns
from sqlalchemy import Column, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from crm_service_desk.metadata import metadata

channels = tenant_table(
    "channels",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("addresses", ARRAY(Text), nullable=False),
    Column("case_opening", Text, nullable=False),
    Column("case_kind", Text, nullable=False),
    Column("hourly_limit", Integer, nullable=False),
    *versioned_columns(),
)


def _index(name: str, *columns: str) -> None:
    Index(f"channels_{name}_index", channels.c.tenant_id, *(channels.c[column] for column in columns))


_index("display_name", "display_name_key", "id")
_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
