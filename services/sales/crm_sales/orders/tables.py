"""Table of orders."""

from crm_kit.database.tables import Kept, Violation, reference, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Numeric, Text, Uuid, false, func, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

# What the lines come to is stored beside them: it is added up once, filtered and summed.
orders = tenant_table(
    "orders",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("opportunity_id", Uuid),
    Column("quote_id", Uuid),
    Column("currency_code", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("payment_days", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("hold_reasons", JSONB, nullable=False),
    Column("release", JSONB),
    Column("net_amount", Numeric, nullable=False),
    Column("tax_amount", Numeric, nullable=False),
    Column("gross_amount", Numeric, nullable=False),
    Column("paid_amount", Numeric, nullable=False),
    Column("open_amount", Numeric, nullable=False),
    Column("place_time", DateTime(timezone=True)),
    Column("due_date", Date),
    Column("cancel_reason", Text),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("custom", JSONB, nullable=False, server_default=text("'{}'")),
    *versioned_columns(),
    reference("opportunity_id", "opportunities", name="orders_opportunity_fkey", field="order.opportunity_id"),
    reference("quote_id", "quotes", name="orders_quote_fkey", field="order.quote_id"),
)


def _index(name: str, *columns: str) -> None:
    Index(f"orders_{name}_index", orders.c.tenant_id, *(orders.c[column] for column in columns))


_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
_index("place_time", "place_time", "id")
_index("due_date", "due_date", "id")
_index("owner", "owner_id", "create_time", "id")
_index("owner_team", "owner_team_id", "create_time")
_index("account", "account_id", "due_date", "id")
_index("opportunity", "opportunity_id")
# A quote becomes one order.
Index(
    "orders_quote_index",
    orders.c.tenant_id,
    orders.c.quote_id,
    unique=True,
    postgresql_where=orders.c.quote_id.is_not(None),
    info={"violation": Violation("conflict", "CONFLICT", "id", "the quote was accepted at the same time")},
)
Index(
    "orders_held_index",
    orders.c.tenant_id,
    orders.c.account_id,
    orders.c.place_time,
    orders.c.id,
    postgresql_where=text("state = 'ON_HOLD'"),
)

# Accounts whose credit became free while orders may be on hold, and how far those have been looked at.
hold_reviews = tenant_table(
    "hold_reviews",
    metadata,
    Column("account_id", Uuid, nullable=False),
    # What the credit became free by, as a release tells it.
    Column("cause", Text, nullable=False),
    # The last order that was looked at; null at the beginning.
    Column("after_place_time", DateTime(timezone=True)),
    Column("after_id", Uuid),
    # The smallest amount that was refused so far, by currency.
    Column("refused", JSONB, nullable=False, server_default=text("'{}'")),
    # Once it has come to the end it begins anew: more became free meanwhile, or an order could not be checked.
    Column("again", Boolean, nullable=False, server_default=false()),
    # Checks that had no answer since more became free: the more, the longer it waits.
    Column("failures", Integer, nullable=False, server_default=text("0")),
    # When to go on, by the clock of the database.
    Column("look_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("account_id",),
    plumbing=True,
    retention=Kept("a row for each account, deleted when it is done"),
)
Index("hold_reviews_look_index", hold_reviews.c.tenant_id, hold_reviews.c.look_time)
