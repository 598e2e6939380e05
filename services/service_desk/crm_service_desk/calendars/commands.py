"""Every write on calendars. Each function is one transaction's work."""

from dataclasses import replace
from typing import Any

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.ids import new_id
from crm_kit.working_time.model import default_calendar_id
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_service_desk.calendars.model import Calendar, default_calendar
from crm_service_desk.calendars.resource import CALENDARS
from crm_service_desk.calendars.tables import calendar_recounts, calendar_versions


def create_calendar(work: UnitOfWork, values: dict[str, Any]) -> Calendar:
    """Create a calendar from the values of its fields."""
    calendar = Calendar(id=new_id(), create_time=work.now, update_time=work.now, **values)
    calendar.check()
    return add_calendar(work, calendar)


async def make_default_calendar(work: UnitOfWork) -> None:
    """Gather the tenant's default calendar unless it has one."""
    if await CALENDARS.find(work, default_calendar_id(work.tenant_id)) is None:
        add_calendar(work, default_calendar(work.tenant_id, now=work.now))


def update_calendar(work: UnitOfWork, before: Calendar, values: dict[str, Any]) -> Calendar:
    """Make the next version of a calendar; clocks that run by it are counted anew."""
    changed = replace(before, **values)
    if changed == before:
        return before
    changed.check()
    after = CALENDARS.save(work, before, changed, events.CalendarUpdated)
    work.insert(calendar_versions, CALENDARS.row_of(after))
    work.execute(ask_for_recount(), calendar_id=after.id, version=after.version)
    return after


def add_calendar(work: UnitOfWork, calendar: Calendar) -> Calendar:
    """Gather a new calendar and its first version."""
    CALENDARS.create(work, calendar)
    work.insert(calendar_versions, CALENDARS.row_of(calendar))
    return calendar


@statement
def ask_for_recount() -> Any:
    table = calendar_recounts
    fresh = insert(table).values({name: bindparam(name) for name in ("tenant_id", "calendar_id", "version")})
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.calendar_id],
        set_={"version": fresh.excluded.version, "create_time": fresh.excluded.create_time},
        where=table.c.version < fresh.excluded.version,
    )
