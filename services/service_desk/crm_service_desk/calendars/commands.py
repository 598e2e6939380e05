"""Every write on calendars. Each function is one transaction's work."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.etags import check_etag
from crm_kit.events.outbox import emit
from crm_kit.history import changed_fields, record_change
from crm_kit.ids import new_id
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_service_desk.calendars.model import Calendar, default_calendar, default_calendar_id
from crm_service_desk.calendars.queries import find_calendar, get_calendar
from crm_service_desk.calendars.tables import calendar_recounts, calendar_versions, calendars
from crm_service_desk.calendars.wire import calendar_created, calendar_updated


def create_calendar(work: UnitOfWork, values: dict[str, Any]) -> Calendar:
    """Create a calendar from the values of its fields."""
    calendar = Calendar(id=new_id(), create_time=work.now, update_time=work.now, **values)
    calendar.check()
    return insert_calendar(work, calendar)


async def make_default_calendar(work: UnitOfWork) -> None:
    """Gather the tenant's default calendar unless it has one."""
    if await find_calendar(work, default_calendar_id(work.tenant_id)) is None:
        insert_calendar(work, default_calendar(work.tenant_id, now=work.now))


async def update_calendar(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> Calendar:
    """Make the next version of a calendar; clocks that run by it are counted anew."""
    before = await get_calendar(work, id)
    check_etag(etag, before.version)
    after = replace(before, **values)
    if after == before:
        return before
    after.check()
    return save(work, before, after)


def insert_calendar(work: UnitOfWork, calendar: Calendar) -> Calendar:
    """Gather rows, history and event of a new calendar."""
    row = row_of(calendar)
    work.insert(calendars, row)
    work.insert(calendar_versions, row)
    record_change(work, "calendar", action="CREATED", before=None, after=calendar)
    emit(work, calendar_created(calendar), aggregate_type="calendar", id=calendar.id, version=calendar.version)
    return calendar


def save(work: UnitOfWork, before: Calendar, changed: Calendar) -> Calendar:
    """Gather rows, history and event of a changed calendar; it must still be what was read."""
    after = replace(changed, version=before.version + 1, update_time=work.now)
    row = row_of(after)
    work.save(calendars, row, version=before.version)
    work.insert(calendar_versions, row)
    work.execute(ask_for_recount(), calendar_id=after.id, version=after.version)
    record_change(work, "calendar", action="UPDATED", before=before, after=after)
    event = calendar_updated(after, changed_fields(before, after))
    emit(work, event, aggregate_type="calendar", id=after.id, version=after.version)
    return after


@statement
def ask_for_recount() -> Any:
    table = calendar_recounts
    fresh = insert(table).values({name: bindparam(name) for name in ("tenant_id", "calendar_id", "version")})
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.calendar_id],
        set_={"version": fresh.excluded.version, "create_time": fresh.excluded.create_time},
        where=table.c.version < fresh.excluded.version,
    )
