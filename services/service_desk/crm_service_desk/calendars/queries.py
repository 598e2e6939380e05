"""Every SELECT on calendars. They serve everybody, so every scope sees them all."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Integer, Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_service_desk.calendars.model import Calendar
from crm_service_desk.calendars.tables import calendar_versions, calendars
from crm_service_desk.calendars.tenant_calendar import TenantCalendar, hours_from

COLUMNS = [column for column in calendars.c if column.name != "tenant_id"]


@statement
def calendar_by_id() -> Select[Any]:
    return select(*COLUMNS).where(calendars.c.tenant_id == bindparam("tenant_id"), calendars.c.id == bindparam("id"))


@statement
def versions_of_calendar() -> Select[Any]:
    table = calendar_versions
    return select(*(column for column in table.c if column.name != "tenant_id")).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.id == bindparam("id"),
        table.c.version == any_(bindparam("versions", type_=ARRAY(Integer))),
    )


def _listed(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(calendars.c.tenant_id == bindparam("tenant_id"))


LISTING = Listing(
    name="calendars",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": FilterField(FieldType.UUID, calendars.c.id),
            "display_name": FilterField(FieldType.TEXT, calendars.c.display_name),
            "time_zone": FilterField(FieldType.TEXT, calendars.c.time_zone),
            "is_default": FilterField(FieldType.BOOL, calendars.c.is_default),
            "create_time": FilterField(FieldType.INSTANT, calendars.c.create_time),
            "update_time": FilterField(FieldType.INSTANT, calendars.c.update_time),
        }
    ),
    orders={
        "id": OrderColumn(calendars.c.id),
        "create_time": OrderColumn(calendars.c.create_time),
        "update_time": OrderColumn(calendars.c.update_time),
        "display_name": OrderColumn(calendars.c.display_name),
    },
)


async def get_calendar(reader: Reader, id: UUID, version: int = 0) -> TenantCalendar:
    """The calendar as it is now, or as it was in a version; NotFound when there is none."""
    if version:
        rows = await reader.all(versions_of_calendar(), id=id, versions=[version])
    else:
        rows = await reader.all(calendar_by_id(), id=id)
    if not rows:
        raise NotFound("the calendar, or this version of it, does not exist", reason="CALENDAR_NOT_FOUND")
    return calendar_from(rows[0])


async def get_versions(reader: Reader, id: UUID, versions: Iterable[int]) -> dict[int, Calendar]:
    """The hours that some versions of a calendar had, by version."""
    rows = await reader.all(versions_of_calendar(), id=id, versions=list(set(versions)))
    return {row["version"]: calendar_from(row).calendar for row in rows}


def calendar_from(row: Record) -> TenantCalendar:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    hours = hours_from(values.pop("time_zone"), values.pop("weekly"), values.pop("exceptions"))
    return TenantCalendar(calendar=hours, **values)
