"""Tables of calendars."""

from typing import Any

from crm_kit.database.tables import Kept, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from crm_service_desk.metadata import metadata


def _columns() -> list[Column[Any]]:
    return [
        Column("id", Uuid, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("display_name_key", Text, nullable=False),
        Column("time_zone", Text, nullable=False),
        # A list of {weekday, hours: [{opens, closes}]}.
        Column("weekly", JSONB, nullable=False),
        # A list of {local_date, hours: [{opens, closes}]}.
        Column("exceptions", JSONB, nullable=False),
        Column("is_default", Boolean, nullable=False),
        *versioned_columns(),
    ]


calendars = tenant_table("calendars", metadata, *_columns())
Index("calendars_display_name_index", calendars.c.tenant_id, calendars.c.display_name_key, calendars.c.id)
Index("calendars_create_time_index", calendars.c.tenant_id, calendars.c.create_time, calendars.c.id)
Index("calendars_update_time_index", calendars.c.tenant_id, calendars.c.update_time, calendars.c.id)

# Each calendar as it was in each version: what clocks that have ended were judged by.
calendar_versions = tenant_table(
    "calendar_versions",
    metadata,
    *_columns(),
    key=("id", "version"),
    retention=Kept("what clocks that have ended were judged by"),
)

# Calendars whose running clocks are to be counted anew.
calendar_recounts = tenant_table(
    "calendar_recounts",
    metadata,
    Column("calendar_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("calendar_id",),
    plumbing=True,
    retention=Kept("a row for each calendar, deleted when it is done"),
)
