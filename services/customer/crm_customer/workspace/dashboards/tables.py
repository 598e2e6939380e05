"""Tables of dashboards."""

from crm_kit.database.tables import Kept, tenant_table, versioned_columns
from sqlalchemy import Column, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_customer.metadata import metadata

dashboards = tenant_table(
    "dashboards",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("tiles", JSONB, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("role_ids", ARRAY(Uuid), nullable=False),
    Column("default_role_ids", ARRAY(Uuid), nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    *versioned_columns(),
    retention=Kept("what people put together; 100 of a person"),
)
Index("dashboards_create_time_index", *(dashboards.c[name] for name in ("tenant_id", "create_time", "id")))
Index("dashboards_display_name_index", *(dashboards.c[name] for name in ("tenant_id", "display_name_key", "id")))
Index("dashboards_owner_index", *(dashboards.c[name] for name in ("tenant_id", "owner_id")))
