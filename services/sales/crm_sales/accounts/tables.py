"""What sales knows of accounts, from the events of those who own it."""

from crm_kit.accounts import accounts_table
from crm_kit.database.tables import Kept, tenant_table
from sqlalchemy import Column, Integer, Text, Uuid

from crm_sales.metadata import metadata

accounts = accounts_table(metadata)

# From the scoring service, by the account's id; it may come before the account.
account_tiers = tenant_table(
    "account_tiers",
    metadata,
    Column("id", Uuid, nullable=False),
    # None when the tier is not known any more.
    Column("value_tier", Text),
    # That of the account's scores.
    Column("version", Integer, nullable=False),
    retention=Kept("a row for each account"),
)
