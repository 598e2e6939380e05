"""Accounts as this service knows them from the customer service's events: enough to say that one exists."""

from crm_kit.database.tables import tenant_table
from sqlalchemy import Column, Integer, Text, Uuid

from crm_sales.metadata import metadata

accounts = tenant_table(
    "accounts",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("owner_id", Uuid),
    Column("owner_team_id", Uuid),
    Column("version", Integer, nullable=False),
)
