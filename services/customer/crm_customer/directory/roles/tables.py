"""Tables of roles."""

from crm_kit.database.tables import tenant_table, unique, versioned_columns
from sqlalchemy import Boolean, Column, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

roles = tenant_table(
    "roles",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("grants", JSONB, nullable=False),
    Column("built_in", Boolean, nullable=False),
    *versioned_columns(),
    unique(
        "roles_display_name_key",
        "display_name",
        reason="ALREADY_EXISTS",
        field="role.display_name",
        detail="another role has this name already",
    ),
)
Index("roles_create_time_index", roles.c.tenant_id, roles.c.create_time, roles.c.id)
Index("roles_update_time_index", roles.c.tenant_id, roles.c.update_time, roles.c.id)
