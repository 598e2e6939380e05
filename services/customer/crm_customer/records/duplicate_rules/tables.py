"""Tables of the keys by which accounts that may be the same are found."""

from crm_kit.database.tables import Kept, reference, tenant_table
from sqlalchemy import BigInteger, Boolean, Column, DateTime, false
from sqlalchemy.types import Uuid

from crm_customer.metadata import metadata

# The keys of each account that is not put away; see blocking.py. There is no index along the account: its keys follow
# from what it is, so those that it loses are known.
duplicate_keys = tenant_table(
    "duplicate_keys",
    metadata,
    Column("key", BigInteger, nullable=False),
    Column("account_id", Uuid, nullable=False),
    reference("account_id", "accounts", name="duplicate_keys_account_fkey", field="id"),
    key=("key", "account_id"),
    retention=Kept("part of the account"),
)

# Tenants whose accounts were there before keys were, and how far they have them. Found across tenants by what does.
duplicate_key_backfills = tenant_table(
    "duplicate_key_backfills",
    metadata,
    Column("last_account_id", Uuid),
    Column("looks_again", Boolean, nullable=False, server_default=false()),
    Column("due_time", DateTime(timezone=True), nullable=False),
    key=(),
    plumbing=True,
    retention=Kept("a row for each tenant that is not through yet"),
)
