"""The table of what sources say of records."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Retention, tenant_table, unique
from sqlalchemy import Column, DateTime, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

WITHDRAWN_LASTS = timedelta(days=365)
"""So long nothing that a source said before comes back; what stands is kept with its record, and bounded there."""

source_values = tenant_table(
    "source_values",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("collection", Text, nullable=False),
    Column("record_id", Uuid, nullable=False),
    Column("field", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    Column("proof", Text),
    Column("observed_time", DateTime(timezone=True), nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("state_time", DateTime(timezone=True), nullable=False),
    Column("withdraw_time", DateTime(timezone=True)),
    # What sources say of a record is found by its beginning.
    unique(
        "source_values_source_key",
        *("collection", "record_id", "field", "source"),
        reason="ALREADY_EXISTS",
        field="source",
        detail="a source says one thing of a field",
    ),
    retention=Retention("withdraw_time", WITHDRAWN_LASTS, Clock.TENANT),
)
