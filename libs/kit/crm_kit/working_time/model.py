"""Working hours as a calendar says them: weekdays and dates with their hours in one time zone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.working_time.business_hours import MINUTES_A_DAY, BusinessHours, DayIntervals, LocalInterval

# At least this is open a week. So with 500 closed dates every span that the contract allows ends within fifty years.
MIN_MINUTES_A_WEEK = 60
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])", re.ASCII)


class Weekday(StrEnum):
    """A day of the week."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


@dataclass(frozen=True, slots=True)
class Hours:
    """Local time from opening up to, and without, closing: `HH:MM`, up to 24:00."""

    opens: str
    closes: str

    def __str__(self) -> str:
        return f"{self.opens}-{self.closes}"


@dataclass(frozen=True, slots=True)
class DayHours:
    """The hours of one weekday; closed without any."""

    weekday: Weekday
    hours: tuple[Hours, ...] = ()


@dataclass(frozen=True, slots=True)
class DatedException:
    """One local date whose hours replace its weekday's: none on a holiday, some on a short or make-up day."""

    local_date: date
    hours: tuple[Hours, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """What is known everywhere of a tenant's default calendar; `version` is that of the service desk."""

    id: UUID
    time_zone: str
    version: int
    weekly: tuple[DayHours, ...] = ()
    exceptions: tuple[DatedException, ...] = ()

    @property
    def business_hours(self) -> BusinessHours:
        """As the clock reads it."""
        return business_hours(self.time_zone, self.weekly, self.exceptions)


def business_hours(
    time_zone: str, weekly: Iterable[DayHours], exceptions: Iterable[DatedException] = ()
) -> BusinessHours:
    """The hours as the clock reads them.

    Raises InvalidArgument CALENDAR_INVALID, naming field and value, for an unknown zone, hours that are empty,
    outside the day or overlapping, or a weekday or date given twice.
    """
    check_zone(time_zone)
    days: dict[Weekday, DayIntervals] = {}
    for number, day in enumerate(weekly):
        if day.weekday in days:
            raise invalid_calendar(f"weekly[{number}].weekday", "unique", f"{day.weekday} is given twice")
        days[day.weekday] = _intervals(f"weekly[{number}].hours", day.hours)
    dates: dict[date, DayIntervals] = {}
    for number, exception in enumerate(exceptions):
        local_date = exception.local_date
        if local_date in dates:
            raise invalid_calendar(f"exceptions[{number}].local_date", "unique", f"{local_date} is given twice")
        dates[local_date] = _intervals(f"exceptions[{number}].hours", exception.hours)
    return BusinessHours(time_zone, tuple(days.get(weekday, ()) for weekday in Weekday), tuple(dates.items()))


def check_zone(time_zone: str) -> None:
    """Raise InvalidArgument CALENDAR_INVALID unless the IANA knows the zone."""
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid_calendar("time_zone", "iana", f"{time_zone!r} is not an IANA time zone") from error


def default_calendar_id(tenant_id: UUID) -> UUID:
    """The same whoever asks."""
    return uuid5(tenant_id, "default calendar")


def _intervals(name: str, hours: tuple[Hours, ...]) -> DayIntervals:
    """The hours of one day in minutes, in their order."""
    found = []
    for number, each in enumerate(hours):
        field = f"{name}[{number}]"
        interval = LocalInterval(_minutes(f"{field}.opens", each.opens), _minutes(f"{field}.closes", each.closes))
        if interval.opens >= interval.closes:
            raise invalid_calendar(field, "half_open", f"{each} must open before it closes")
        found.append((interval, field, each))
    found.sort(key=lambda one: one[0])
    for (earlier, _, first), (later, field, second) in pairwise(found):
        if later.opens < earlier.closes:
            raise invalid_calendar(field, "no_overlap", f"{second} overlaps {first}")
    return tuple(interval for interval, _, _ in found)


def _minutes(name: str, text: str) -> int:
    """Minutes from midnight of `HH:MM`, 00:00 to 24:00."""
    match = _TIME_OF_DAY.fullmatch(text)
    minutes = int(match[1]) * 60 + int(match[2]) if match else MINUTES_A_DAY + 1
    if minutes > MINUTES_A_DAY:
        raise invalid_calendar(name, "time_of_day", f"{text!r} is not a time from 00:00 to 24:00")
    return minutes


def invalid_calendar(name: str, rule: str, detail: str) -> InvalidArgument:
    """The error for a field of a calendar, CALENDAR_INVALID."""
    return invalid_field(f"calendar.{name}", rule, detail, reason="CALENDAR_INVALID")
