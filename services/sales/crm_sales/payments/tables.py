"""Table of payments."""

from crm_kit.database.tables import reference, tenant_table, versioned_columns
from sqlalchemy import Column, DateTime, Index, Integer, Numeric, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata
from crm_sales.payments.references import one_payment_a_reference

# The amount never changes; `allocations` says what it paid, in the order in which it did.
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
    Column("bank_account", Text),
    Column("state", Text, nullable=False),
    Column("reverse_time", DateTime(timezone=True)),
    Column("reverse_reason", Text),
    Column("allocations", JSONB, nullable=False),
    Column("unallocated_amount", Numeric, nullable=False),
    Column("left_out_order_count", Integer, nullable=False, server_default=text("0")),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    *versioned_columns(),
    reference("order_id", "orders", name="payments_order_fkey", field="payment.order_id"),
    one_payment_a_reference(),
)
Index("payments_create_time_index", payments.c.tenant_id, payments.c.create_time, payments.c.id)
Index("payments_receive_time_index", payments.c.tenant_id, payments.c.receive_time, payments.c.id)
Index("payments_account_index", payments.c.tenant_id, payments.c.account_id, payments.c.create_time)
Index("payments_owner_index", payments.c.tenant_id, payments.c.owner_id, payments.c.create_time)
Index("payments_owner_team_index", payments.c.tenant_id, payments.c.owner_team_id, payments.c.create_time)
