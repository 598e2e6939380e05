"""Table of visits."""

from crm_kit.database.tables import Kept, Violation, reference, tenant_table, versioned_columns
from sqlalchemy import ARRAY, Column, DateTime, Index, Integer, Text, Uuid

from crm_customer.metadata import metadata

visits = tenant_table(
    "visits",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("account_id", Uuid, nullable=False),
    Column("contact_ids", ARRAY(Uuid), nullable=False),
    Column("planned_time", DateTime(timezone=True), nullable=False),
    Column("planned_end_time", DateTime(timezone=True)),
    Column("location", Text),
    Column("objective", Text),
    Column("information_to_bring", Text),
    Column("information_to_collect", Text),
    Column("overdue_time", DateTime(timezone=True), nullable=False),
    Column("interaction_id", Uuid),
    Column("close_time", DateTime(timezone=True)),
    Column("close_reason", Text),
    Column("completion", Integer),
    *versioned_columns(),
    reference("account_id", "accounts", name="visits_account_fkey", field="visit.account_id"),
    reference("interaction_id", "interactions", name="visits_interaction_fkey", field="interaction_id"),
)


def _index(name: str, *columns: str) -> None:
    Index(f"visits_{name}_index", visits.c.tenant_id, *(visits.c[column] for column in columns))


_index("planned_time", "planned_time", "id")
_index("create_time", "create_time", "id")
_index("owner", "owner_id", "planned_time", "id")
_index("owner_team", "owner_team_id", "planned_time")
_index("account", "account_id", "planned_time")
Index(
    "visits_interaction_index",
    visits.c.tenant_id,
    visits.c.interaction_id,
    unique=True,
    postgresql_where=visits.c.interaction_id.is_not(None),
    info={
        "violation": Violation(
            "exists", "VISIT_INTERACTION_TAKEN", "interaction_id", "the interaction tells of another visit already"
        )
    },
)

# When a planned visit counts as missed.
visit_timers = tenant_table(
    "visit_timers",
    metadata,
    Column("visit_id", Uuid, nullable=False),
    Column("due_time", DateTime(timezone=True), nullable=False),
    key=("visit_id",),
    plumbing=True,
    retention=Kept("at most one for each planned visit"),
)
Index("visit_timers_due_index", visit_timers.c.tenant_id, visit_timers.c.due_time)
