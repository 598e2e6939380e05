"""Table of payments."""

from crm_kit.database.tables import reference, tenant_table, versioned_columns
from sqlalchemy import Column, DateTime, Index, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

# A payment never changes; `allocations` says what it paid when it came.
payments = tenant_table(
    "payments",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("order_id", Uuid),
    Column("amount", Numeric, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("receive_time", DateTime(timezone=True), nullable=False),
    Column("reference", Text),
    Column("allocations", JSONB, nullable=False),
    Column("unallocated_amount", Numeric, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    *versioned_columns(),
    reference("order_id", "orders", name="payments_order_fkey", field="payment.order_id"),
)
Index("payments_create_time_index", payments.c.tenant_id, payments.c.create_time, payments.c.id)
Index("payments_receive_time_index", payments.c.tenant_id, payments.c.receive_time, payments.c.id)
Index("payments_account_index", payments.c.tenant_id, payments.c.account_id, payments.c.create_time)
Index("payments_owner_index", payments.c.tenant_id, payments.c.owner_id, payments.c.create_time)
Index("payments_owner_team_index", payments.c.tenant_id, payments.c.owner_team_id, payments.c.create_time)
