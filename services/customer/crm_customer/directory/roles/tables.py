"""Tables of roles, and of what rights are compared by."""

from crm_kit.database.tables import Kept, tenant_table, unique, versioned_columns
from sqlalchemy import Boolean, Column, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_customer.metadata import metadata

roles = tenant_table(
    "roles",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("grants", JSONB, nullable=False),
    Column("hidden_fields", ARRAY(Text), nullable=False, server_default="{}"),
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
Index("roles_display_name_index", roles.c.tenant_id, roles.c.display_name_key, roles.c.id)
Index("roles_create_time_index", roles.c.tenant_id, roles.c.create_time, roles.c.id)
Index("roles_update_time_index", roles.c.tenant_id, roles.c.update_time, roles.c.id)

# Records stay in the team that their owner was in when they got them.
former_teams = tenant_table(
    "former_teams",
    metadata,
    Column("user_id", Uuid, nullable=False),
    # `NO_TEAM` of who was in none.
    Column("team_id", Uuid, nullable=False),
    key=("user_id", "team_id"),
    retention=Kept("a row for each team that a user has left"),
)
