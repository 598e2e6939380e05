"""Tables of saved views."""

from crm_kit.database.tables import Kept, Violation, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.metadata import metadata

saved_views = tenant_table(
    "saved_views",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("collection", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("filter", Text, nullable=False),
    Column("order_by", Text, nullable=False),
    Column("columns", ARRAY(Text), nullable=False),
    Column("group_by", Text),
    Column("kind", Text, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("default_for_role_ids", ARRAY(Uuid), nullable=False),
    Column("state", Text, nullable=False),
    *versioned_columns(),
)
Index("saved_views_position_index", *(saved_views.c[name] for name in ("tenant_id", "position", "id")))
Index("saved_views_create_time_index", *(saved_views.c[name] for name in ("tenant_id", "create_time", "id")))
Index("saved_views_owner_index", saved_views.c.tenant_id, saved_views.c.owner_id)

# Which view a role sees a collection by at first: one for each, whoever says so at the same time.
default_views = tenant_table(
    "default_views",
    metadata,
    Column("collection", Text, nullable=False),
    Column("role_id", Uuid, nullable=False),
    Column("saved_view_id", Uuid, nullable=False),
    key=("collection", "role_id"),
    retention=Kept("at most a row for each role and collection"),
)
default_views.primary_key.info["violation"] = Violation(
    "exists", "SAVED_VIEW_DEFAULT_TAKEN", "saved_view.default_for_role_ids", "has another view as its default already"
)
