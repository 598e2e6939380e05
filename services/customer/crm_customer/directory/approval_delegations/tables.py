"""Tables of approval delegations."""

from crm_kit.database.tables import tenant_table, versioned_columns
from sqlalchemy import Column, Date, Index, Text, Uuid

from crm_customer.metadata import metadata

approval_delegations = tenant_table(
    "approval_delegations",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("deputy_id", Uuid, nullable=False),
    Column("first_date", Date, nullable=False),
    Column("last_date", Date, nullable=False),
    Column("collection", Text),
    Column("state", Text, nullable=False),
    *versioned_columns(),
)
Index(
    "approval_delegations_create_time_index",
    *(approval_delegations.c[name] for name in ("tenant_id", "create_time", "id")),
)
Index(
    "approval_delegations_first_date_index",
    *(approval_delegations.c[name] for name in ("tenant_id", "first_date", "id")),
)
Index(
    "approval_delegations_last_date_index",
    *(approval_delegations.c[name] for name in ("tenant_id", "last_date", "id")),
)
