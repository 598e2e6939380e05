"""The table of which accounts tenants restrict by rule."""

from crm_kit.database.tables import Kept, Violation, tenant_table
from sqlalchemy import Column, DateTime, Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.metadata import metadata

# `due_time` is when accounts are to be looked at next, on the tenant's clock; found across tenants by what does.
account_restrictions = tenant_table(
    "account_restrictions",
    metadata,
    Column("kinds", ARRAY(Text), nullable=False),
    Column("value_tiers", ARRAY(Text), nullable=False),
    Column("due_time", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    key=(),
    plumbing=True,
    retention=Kept("a row for each tenant that has ever set it"),
)
Index("account_restrictions_due_index", account_restrictions.c.due_time, info={"across_tenants": True})
# Two first changes at the same time: the second is tried again, and finds the row.
account_restrictions.primary_key.info["violation"] = Violation(
    "conflict", "CONFLICT", "account_restriction", "was changed at the same time"
)
