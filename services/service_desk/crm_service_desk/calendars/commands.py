"""Every write on calendars. Each function is one transaction's work."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.history import record_change
from crm_kit.ids import new_id
from sqlalchemy import Table, bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_service_desk.calendars.model import Calendar
from crm_service_desk.calendars.queries import get_calendar
from crm_service_desk.calendars.tables import calendar_recounts, calendar_versions, calendars
from crm_service_desk.calendars.tenant_calendar import TenantCalendar, default_calendar, stored_hours


async def create_calendar(work: UnitOfWork, *, display_name: str, calendar: Calendar) -> TenantCalendar:
    """Create a calendar."""
    created = TenantCalendar(
        id=new_id(), display_name=display_name, calendar=calendar, create_time=work.now, update_time=work.now
    )
    created.check()
    work.insert(calendars, stored(created))
    work.insert(calendar_versions, stored(created))
    record_change(work, "calendar", action="CREATED", before=None, after=created)
    return created


async def update_calendar(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> TenantCalendar:
    """Make the next version of a calendar; clocks that run by it are counted anew."""
    before = await get_calendar(work, id)
    after = before.update(values, now=work.now, etag=etag)
    if after is before:
        return before
    work.save(calendars, stored(after), version=before.version)
    work.insert(calendar_versions, stored(after))
    work.execute(ask_for_recount(), calendar_id=id, version=after.version)
    record_change(work, "calendar", action="UPDATED", before=before, after=after)
    return after


def put_default_calendar(work: UnitOfWork) -> None:
    """Gather the tenant's default calendar; one that is there already stays as it is."""
    row = stored(default_calendar(work.tenant_id, now=work.now))
    for table in (calendars, calendar_versions):
        work.execute(insert_missing(table, tuple(row)), **row)


def stored(calendar: TenantCalendar) -> dict[str, Any]:
    """The calendar's row."""
    row = row_of(calendar)
    return row | stored_hours(row.pop("calendar"))


@statement
def insert_missing(table: Table, columns: tuple[str, ...]) -> Any:
    fresh = insert(table).values({name: bindparam(name) for name in ("tenant_id", *columns)})
    return fresh.on_conflict_do_nothing()


@statement
def ask_for_recount() -> Any:
    table = calendar_recounts
    fresh = insert(table).values({name: bindparam(name) for name in ("tenant_id", "calendar_id", "version")})
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.calendar_id],
        set_={"version": fresh.excluded.version, "create_time": fresh.excluded.create_time},
        where=table.c.version < fresh.excluded.version,
    )
