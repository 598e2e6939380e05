"""Every SELECT on calendars. They serve everybody, so every scope sees them all."""

from collections.abc import Iterable, Mapping
from datetime import date
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
from sqlalchemy import Select, bindparam, select

from crm_service_desk.calendars.model import Calendar, DatedException, DayHours, Hours, Weekday
from crm_service_desk.calendars.tables import calendar_versions, calendars

COLUMNS = [column for column in calendars.c if column.name != "tenant_id"]


@statement
def calendar_by_id() -> Select[Any]:
    return select(*COLUMNS).where(calendars.c.tenant_id == bindparam("tenant_id"), calendars.c.id == bindparam("id"))


@statement
def calendar_in_version() -> Select[Any]:
    table = calendar_versions
    return select(*(column for column in table.c if column.name != "tenant_id")).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.id == bindparam("id"),
        table.c.version == bindparam("version"),
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


async def find_calendar(reader: Reader, id: UUID) -> Calendar | None:
    """The calendar as it is now, if there is one."""
    row = await reader.one(calendar_by_id(), id=id)
    return None if row is None else calendar_from(row)


async def get_calendar(reader: Reader, id: UUID, version: int = 0) -> Calendar:
    """The calendar as it is now, or as it was in a version; NotFound when there is none."""
    if version:
        row = await reader.one(calendar_in_version(), id=id, version=version)
    else:
        row = await reader.one(calendar_by_id(), id=id)
    if row is None:
        raise NotFound("the calendar, or this version of it, does not exist", reason="CALENDAR_NOT_FOUND")
    return calendar_from(row)


def calendar_from(row: Record) -> Calendar:
    """The entity that a row of `COLUMNS` holds."""
    weekly = tuple(DayHours(Weekday(each["weekday"]), hours_from(each["hours"])) for each in row["weekly"])
    exceptions = tuple(
        DatedException(date.fromisoformat(each["local_date"]), hours_from(each["hours"])) for each in row["exceptions"]
    )
    return Calendar(**dict(row) | {"weekly": weekly, "exceptions": exceptions})


def hours_from(stored: Iterable[Mapping[str, str]]) -> tuple[Hours, ...]:
    """Hours back from their JSON."""
    return tuple(Hours(**each) for each in stored)
