"""What the service desk knows of accounts, from the events of those who own it."""

from crm_kit.database.tables import tenant_table
from sqlalchemy import Column, Index, Integer, Text, Uuid

from crm_service_desk.metadata import metadata

# From the customer service.
accounts = tenant_table(
    "accounts",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("owner_id", Uuid),
    Column("owner_team_id", Uuid),
    # That of the account at the customer service: an older event never wins.
    Column("version", Integer, nullable=False),
)
Index("accounts_owner_index", accounts.c.tenant_id, accounts.c.owner_id)
Index("accounts_owner_team_index", accounts.c.tenant_id, accounts.c.owner_team_id)

# From the scoring service, by the account's id; it may come before the account.
account_tiers = tenant_table(
    "account_tiers",
    metadata,
    Column("id", Uuid, nullable=False),
    # None when the tier is not known any more.
    Column("value_tier", Text),
    # That of the account's scores.
    Column("version", Integer, nullable=False),
)
