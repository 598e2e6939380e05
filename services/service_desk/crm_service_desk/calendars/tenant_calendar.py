"""A calendar of a tenant: business hours with a name and a version."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid5

from crm_kit.errors import invalid_field
from crm_kit.etags import check_etag

from crm_service_desk.calendars.model import (
    Calendar,
    DatedException,
    LocalInterval,
    parse_hours,
    weekly_calendar,
)

# With at least this a week, 500 closed dates and fifty years, every target that the contract allows falls due.
LEAST_MINUTES_A_WEEK = 60


@dataclass(frozen=True, slots=True)
class TenantCalendar:
    """Fields as in the contract."""

    id: UUID
    display_name: str
    calendar: Calendar
    create_time: datetime
    update_time: datetime
    is_default: bool = False
    version: int = 1

    def check(self) -> None:
        """Raise InvalidArgument CALENDAR_INVALID for one that hardly ever opens."""
        minutes = sum(hours.closes - hours.opens for day in self.calendar.weekly for hours in day)
        if minutes < LEAST_MINUTES_A_WEEK:
            raise invalid_field(
                "calendar.weekly", "open", "must be open at least an hour a week", reason="CALENDAR_INVALID"
            )

    def update(self, values: dict[str, Any], *, now: datetime, etag: str = "") -> "TenantCalendar":
        """With new values of `display_name` or `calendar`: the next version."""
        check_etag(etag, self.version)
        after = replace(self, **values)
        if after == self:
            return self
        after.check()
        return replace(after, version=self.version + 1, update_time=now)


def default_calendar_id(tenant_id: UUID) -> UUID:
    """The same whoever makes it, so that two who make it at once make one."""
    return uuid5(tenant_id, "default calendar")


def default_calendar(tenant_id: UUID, *, now: datetime) -> TenantCalendar:
    """Monday to Friday, 09:00-12:00 and 13:30-18:00 in China."""
    hours = parse_hours("09:00-12:00, 13:30-18:00")
    return TenantCalendar(
        id=default_calendar_id(tenant_id),
        display_name="标准工作时间",
        calendar=weekly_calendar("Asia/Shanghai", dict.fromkeys(range(5), hours)),
        create_time=now,
        update_time=now,
        is_default=True,
    )


def stored_hours(calendar: Calendar) -> dict[str, Any]:
    """The hours as columns keep them."""
    return {
        "time_zone": calendar.time_zone,
        "weekly": [_pairs(day) for day in calendar.weekly],
        "exceptions": [[each.date.isoformat(), _pairs(each.hours)] for each in calendar.exceptions],
    }


def hours_from(time_zone: str, weekly: list[Any], exceptions: list[Any]) -> Calendar:
    """The hours back from their columns."""
    return Calendar(
        time_zone=time_zone,
        weekly=tuple(map(_intervals, weekly)),
        exceptions=tuple(DatedException(date.fromisoformat(day), _intervals(hours)) for day, hours in exceptions),
    )


def _pairs(hours: tuple[LocalInterval, ...]) -> list[list[int]]:
    return [[each.opens, each.closes] for each in hours]


def _intervals(pairs: list[list[int]]) -> tuple[LocalInterval, ...]:
    return tuple(LocalInterval(opens, closes) for opens, closes in pairs)
