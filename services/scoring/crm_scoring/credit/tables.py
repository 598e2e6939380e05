"""Tables of credit."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, tenant_table, versioned_columns
from sqlalchemy import Column, Date, DateTime, Index, Integer, Numeric, Text, Uuid, text

from crm_scoring.metadata import metadata

# Limits set by hand; the id is the account's.
credit_limits = tenant_table(
    "credit_limits",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_by_id", Uuid, nullable=False),
    *versioned_columns(),
)

# What orders use of a limit. `state` is RESERVED, RELEASED, HELD, CANCELLED, or EXPECTED: paid before it was heard of.
credit_orders = tenant_table(
    "credit_orders",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    # The order's version that the state is of; 0 while only reserved or expected.
    Column("version", Integer, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("paid", Numeric, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("due_date", Date),
    # On the tenant's clock; a reservation that is older counts no more.
    Column("expire_time", DateTime(timezone=True)),
    retention=Retention("expire_time", timedelta(days=30), Clock.TENANT),
)
# What of payments has paid no order yet.
credit_payments = tenant_table(
    "credit_payments",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    # The payment's version that this is of.
    Column("version", Integer, nullable=False),
    Column("unallocated_amount", Numeric, nullable=False),
    Column("currency_code", Text, nullable=False),
    # On the tenant's clock, since when nothing is left of it.
    Column("expire_time", DateTime(timezone=True)),
    retention=Retention("expire_time", timedelta(days=30), Clock.TENANT),
)
Index(
    "credit_payments_unallocated_index",
    credit_payments.c.tenant_id,
    credit_payments.c.account_id,
    postgresql_where=text("unallocated_amount > 0"),
)
Index(
    "credit_orders_used_index",
    credit_orders.c.tenant_id,
    credit_orders.c.account_id,
    postgresql_where=text("state IN ('RESERVED', 'RELEASED') AND amount > paid"),
)
Index(
    "credit_orders_waiting_index",
    credit_orders.c.tenant_id,
    credit_orders.c.account_id,
    postgresql_where=text("state IN ('RESERVED', 'HELD')"),
)

# When the next reservation of an account ends that was not looked at since, on the tenant's clock.
reservation_ends = tenant_table(
    "reservation_ends",
    metadata,
    Column("account_id", Uuid, nullable=False),
    Column("due_time", DateTime(timezone=True), nullable=False),
    key=("account_id",),
    plumbing=True,
    retention=Kept("a row for each account, deleted when none of its reservations is left"),
)
Index("reservation_ends_due_index", reservation_ends.c.tenant_id, reservation_ends.c.due_time)
