"""Tables of segments."""

from crm_kit.database.tables import Kept, reference, tenant_table, versioned_columns
from sqlalchemy import ARRAY, Column, DateTime, Index, Integer, Text, Uuid

from crm_customer.metadata import metadata

segments = tenant_table(
    "segments",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("description", Text),
    Column("filter", Text),
    Column("order_by", Text),
    Column("max_members", Integer),
    Column("members_change_time", DateTime(timezone=True)),
    Column("custom_uses", ARRAY(Text), nullable=False),
    *versioned_columns(),
)


def _index(name: str, *columns: str) -> None:
    Index(f"segments_{name}_index", segments.c.tenant_id, *(segments.c[column] for column in columns))


_index("display_name", "display_name_key", "id")
_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
_index("owner", "owner_id", "create_time", "id")
_index("owner_team", "owner_team_id", "create_time")

# The accounts that somebody put into a segment. Those of them that are archived are left out by the lists.
segment_members = tenant_table(
    "segment_members",
    metadata,
    Column("segment_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("adder_id", Uuid, nullable=False),
    Column("add_time", DateTime(timezone=True), nullable=False),
    reference("segment_id", "segments", name="segment_members_segment_fkey", field="id"),
    reference("account_id", "accounts", name="segment_members_account_fkey", field="account_ids"),
    key=("segment_id", "account_id"),
    retention=Kept("at most 100,000 rows for each segment"),
)
Index("segment_members_account_index", segment_members.c.tenant_id, segment_members.c.account_id)
