"""Tables of facts."""

from crm_kit.database.tables import Kept, tenant_table
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Numeric, Text, Uuid

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
    Column("occur_time", DateTime(timezone=True), nullable=False),
    Column("amount", Numeric),
    # The bucket, with the account: the day of `occur_time`, and XXX for what is no matter of money.
    Column("day", Date, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("overdue_days", Integer, nullable=False),
    key=("id", "kind"),
    retention=Kept("what all scores can be computed from again"),
)
Index("facts_account_index", facts.c.tenant_id, facts.c.account_id, facts.c.day, facts.c.currency_code)

# What the facts of a bucket come to; amounts are in its currency.
account_days = tenant_table(
    "account_days",
    metadata,
    Column("account_id", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("ordered", Numeric, nullable=False),
    Column("returns", Integer, nullable=False),
    Column("returned", Numeric, nullable=False),
    Column("payments", Integer, nullable=False),
    Column("paid", Numeric, nullable=False),
    Column("late_payments", Integer, nullable=False),
    Column("overdue_days", Integer, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("complaints", Integer, nullable=False),
    key=("account_id", "day", "currency_code"),
    retention=Kept("what scores are computed from: a row for each account and day"),
)
Index("account_days_day_index", account_days.c.tenant_id, account_days.c.day)
