"""Accounts as this service knows them, from the customer service's events."""

from crm_kit.database.tables import tenant_table
from sqlalchemy import Column, Index, Integer, Text, Uuid

from crm_scoring.metadata import metadata

accounts = tenant_table(
    "accounts",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("owner_id", Uuid),
    Column("owner_team_id", Uuid),
    # Of the event that said so; an older one changes nothing.
    Column("version", Integer, nullable=False),
)
Index("accounts_owner_index", accounts.c.tenant_id, accounts.c.owner_id)
Index("accounts_owner_team_index", accounts.c.tenant_id, accounts.c.owner_team_id)
