"""Tables of teams."""

from crm_kit.database.tables import reference, tenant_table, versioned_columns
from sqlalchemy import Column, Index, Text, Uuid

from crm_customer.metadata import metadata

teams = tenant_table(
    "teams",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("parent_id", Uuid),
    Column("leader_id", Uuid),
    *versioned_columns(),
    reference("parent_id", "teams", name="teams_parent_fkey", field="team.parent_id"),
)
Index("teams_create_time_index", teams.c.tenant_id, teams.c.create_time, teams.c.id)
Index("teams_update_time_index", teams.c.tenant_id, teams.c.update_time, teams.c.id)
Index("teams_display_name_index", teams.c.tenant_id, teams.c.display_name_key, teams.c.id)
Index("teams_parent_index", teams.c.tenant_id, teams.c.parent_id)
