"""The tenant's working hours as every service knows them: its default calendar, which the service desk keeps."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from crm.service_desk.v1 import calendars_pb2 as pb
from crm.service_desk.v1 import events_pb2 as events
from sqlalchemy import Select, bindparam, select

from crm_kit.database.connections import Record, row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import NotFound, PermissionDenied, Unauthenticated, Unavailable
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying
from crm_kit.plumbing import working_calendars
from crm_kit.projections import put_newest
from crm_kit.wire import EnumNames
from crm_kit.working_time.model import DatedException, DayHours, Hours, Weekday, WorkingCalendar, default_calendar_id

WEEKDAYS = EnumNames(pb.DayHours.Weekday, "WEEKDAY_", Weekday)
# Reads a calendar in the caller's name, as `CalendarService.GetCalendar` answers.
Ask = Callable[[UUID], Awaitable[pb.Calendar]]


class WorkingCalendars:
    """The default calendar of each tenant. One that is not known here yet is asked for, and then known."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def find(self, reader: Reader) -> WorkingCalendar | None:
        """The tenant's calendar, as far as it is known here."""
        row = await reader.one(default_calendar())
        return calendar_from_row(row) if row else None

    async def require(self, work: UnitOfWork) -> WorkingCalendar:
        """The tenant's calendar; Unavailable where it is not known here, and the service desk does not tell.

        Call it before anything is gathered: while the service desk is asked, no connection is held.
        """
        return await self.find(work) or await self._asked(work)

    async def _asked(self, work: UnitOfWork) -> WorkingCalendar:
        await work.release()
        try:
            calendar = calendar_from_pb(await self._ask(default_calendar_id(work.tenant_id)))
        except (NotFound, PermissionDenied, Unauthenticated) as error:
            raise Unavailable("the tenant's working hours are not known here yet; try again") from error
        put_calendar(work, calendar)
        return calendar


def follow_calendars(consumers: Consumers) -> None:
    """Subscribe to every event that tells of a default calendar."""

    def calendar_changed(work: UnitOfWork, _: Event, changed: Any) -> None:
        if changed.calendar.is_default:
            put_calendar(work, calendar_from_pb(changed.calendar))

    for payload in events_carrying(events, pb.Calendar):
        consumers.project(payload, calendar_changed)


def put_calendar(work: UnitOfWork, calendar: WorkingCalendar) -> None:
    """Gather a calendar; an older version changes nothing."""
    put_newest(work, working_calendars, row_of(calendar))


def calendar_from_pb(calendar: pb.Calendar) -> WorkingCalendar:
    """What is kept of the service desk's message."""
    return WorkingCalendar(
        id=UUID(calendar.id),
        time_zone=calendar.time_zone,
        version=calendar.version,
        weekly=tuple(DayHours(WEEKDAYS.entity(each.weekday), _hours(each.hours)) for each in calendar.weekly),
        exceptions=tuple(
            DatedException(date.fromisoformat(each.local_date), _hours(each.hours)) for each in calendar.exceptions
        ),
    )


def calendar_from_row(row: Record) -> WorkingCalendar:
    """The calendar of a row of `working_calendars`."""
    return WorkingCalendar(
        id=row["id"],
        time_zone=row["time_zone"],
        version=row["version"],
        weekly=msgspec.convert(row["weekly"], tuple[DayHours, ...]),
        exceptions=msgspec.convert(row["exceptions"], tuple[DatedException, ...]),
    )


def _hours(hours: Any) -> tuple[Hours, ...]:
    return tuple(Hours(each.opens, each.closes) for each in hours)


@statement
def default_calendar() -> Select[Any]:
    columns = [column for column in working_calendars.c if column.name != "tenant_id"]
    return select(*columns).where(working_calendars.c.tenant_id == bindparam("tenant_id"))
