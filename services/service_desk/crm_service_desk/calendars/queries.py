"""Every SELECT on calendars that their declaration does not make."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from sqlalchemy import Select, bindparam, select

from crm_service_desk.calendars.model import Calendar
from crm_service_desk.calendars.resource import CALENDARS
from crm_service_desk.calendars.tables import calendar_versions


@statement
def calendar_by_version() -> Select[Any]:
    table = calendar_versions
    return select(*(table.c[column.name] for column in CALENDARS.columns)).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.id == bindparam("id"),
        table.c.version == bindparam("version"),
    )


async def get_version(reader: Reader, id: UUID, version: int) -> Calendar:
    """The calendar as it was in a version; NotFound when there is none."""
    row = await reader.one(calendar_by_version(), id=id, version=version)
    if row is None:
        raise NotFound("the calendar, or this version of it, does not exist", reason="CALENDAR_NOT_FOUND")
    return CALENDARS.entity_from(row)
