"""Tables of service levels."""

from crm_kit.database.tables import reference, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_service_desk.metadata import metadata

service_levels = tenant_table(
    "service_levels",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("condition", Text),
    Column("position", Integer, nullable=False),
    Column("calendar_id", Uuid),
    # A list of {kind, target: {business_minutes, working_days, end}, pauses}.
    Column("targets", JSONB, nullable=False),
    Column("warning_percent", Integer, nullable=False),
    Column("is_default", Boolean, nullable=False),
    *versioned_columns(),
    reference("calendar_id", "calendars", name="service_levels_calendar_fkey", field="service_level.calendar_id"),
)
Index("service_levels_position_index", service_levels.c.tenant_id, service_levels.c.position, service_levels.c.id)
Index(
    "service_levels_display_name_index",
    service_levels.c.tenant_id,
    service_levels.c.display_name_key,
    service_levels.c.id,
)
Index("service_levels_create_time_index", service_levels.c.tenant_id, service_levels.c.create_time, service_levels.c.id)
Index("service_levels_update_time_index", service_levels.c.tenant_id, service_levels.c.update_time, service_levels.c.id)
Index("service_levels_calendar_index", service_levels.c.tenant_id, service_levels.c.calendar_id)
