"""The table of reports. docs/adr/0030-reports-are-answered-where-their-records-are.md has the reasons."""

from sqlalchemy import Column, Index, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_kit.database.tables import Kept, tenant_table, versioned_columns


def reports_table(metadata: MetaData) -> Table:
    """What people have asked and want to ask again."""
    table = tenant_table(
        "reports",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("question", JSONB, nullable=False),
        Column("chart", Text, nullable=False),
        Column("visibility", Text, nullable=False),
        Column("role_ids", ARRAY(Uuid), nullable=False),
        Column("owner_id", Uuid, nullable=False),
        Column("state", Text, nullable=False),
        *versioned_columns(),
        retention=Kept("what people write; 500 of a person and collection"),
    )
    Index("reports_time_index", *(table.c[name] for name in ("tenant_id", "create_time", "id")))
    Index("reports_list_index", *(table.c[name] for name in ("tenant_id", "collection", "create_time", "id")))
    Index("reports_owner_index", *(table.c[name] for name in ("tenant_id", "owner_id", "collection")))
    return table
