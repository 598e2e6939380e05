"""Tables of facts."""

from crm_kit.database.tables import tenant_table
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_scoring.metadata import metadata

# What events told, one row for each thing told of: what everything else here can be rebuilt from.
facts = tenant_table(
    "facts",
    metadata,
    # That of the order, payment or case.
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    # Of what it tells of: an event that comes late changes nothing.
    Column("version", Integer, nullable=False),
    # False when it has been taken back, or was before it was heard of.
    Column("holds", Boolean, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    # The day of `at` and the currency decide which aggregate it belongs to; no currency, for what costs nothing.
    Column("day", Date, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("margin", Numeric, nullable=False),
    Column("overdue_days", Integer, nullable=False),
    Column("mark", Numeric, nullable=False),
    Column("channel", Text, nullable=False),
    key=("id", "kind"),
)
Index("facts_account_index", facts.c.tenant_id, facts.c.account_id, facts.c.day, facts.c.currency_code)

# One day's totals of an account in one currency.
account_days = tenant_table(
    "account_days",
    metadata,
    Column("account_id", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("revenue", Numeric, nullable=False),
    Column("returns", Integer, nullable=False),
    Column("returned", Numeric, nullable=False),
    Column("margin", Numeric, nullable=False),
    Column("payments", Integer, nullable=False),
    Column("paid", Numeric, nullable=False),
    Column("late_payments", Integer, nullable=False),
    Column("overdue_days", Integer, nullable=False),
    Column("most_overdue_days", Integer, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("complaints", Integer, nullable=False),
    Column("marks", Integer, nullable=False),
    Column("mark_sum", Numeric, nullable=False),
    Column("logins", Integer, nullable=False),
    Column("interactions", JSONB, nullable=False),
    key=("account_id", "day", "currency_code"),
)
Index("account_days_day_index", account_days.c.tenant_id, account_days.c.day)

# The sufficient statistics of the purchase models, for each account and currency it has ordered in.
account_statistics = tenant_table(
    "account_statistics",
    metadata,
    Column("account_id", Uuid, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("first_order_date", Date, nullable=False),
    Column("last_order_date", Date, nullable=False),
    # Days with a repeat purchase, and what was bought on them.
    Column("repeat_days", Integer, nullable=False),
    Column("repeat_revenue", Numeric, nullable=False),
    key=("account_id", "currency_code"),
)
