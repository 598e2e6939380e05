"""A calendar: when we work, with a name and a version."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm_kit.errors import InvalidArgument, invalid_field

from crm_service_desk.calendars.business_hours import MINUTES_A_DAY, BusinessHours, DayIntervals, LocalInterval

# With at least this a week, 500 closed dates and fifty years, every target that the contract allows falls due.
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
class Calendar:
    """Fields as in the contract; a weekday not listed is closed."""

    id: UUID
    display_name: str
    time_zone: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    weekly: tuple[DayHours, ...] = ()
    exceptions: tuple[DatedException, ...] = ()
    is_default: bool = False

    @property
    def business_hours(self) -> BusinessHours:
        """As the clock reads it; InvalidArgument as of `business_hours`."""
        return business_hours(self.time_zone, self.weekly, self.exceptions)

    def check(self) -> None:
        """Raise InvalidArgument CALENDAR_INVALID for impossible hours, or less than an hour of them a week."""
        if self.business_hours.minutes_a_week < MIN_MINUTES_A_WEEK:
            raise _invalid("weekly", "open", "must be open for at least an hour a week")


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
            raise _invalid(f"weekly[{number}].weekday", "unique", f"{day.weekday} is given twice")
        days[day.weekday] = _intervals(f"weekly[{number}].hours", day.hours)
    dates: dict[date, DayIntervals] = {}
    for number, exception in enumerate(exceptions):
        if exception.local_date in dates:
            raise _invalid(f"exceptions[{number}].local_date", "unique", f"{exception.local_date} is given twice")
        dates[exception.local_date] = _intervals(f"exceptions[{number}].hours", exception.hours)
    return BusinessHours(time_zone, tuple(days.get(weekday, ()) for weekday in Weekday), tuple(dates.items()))


def check_zone(time_zone: str) -> None:
    """Raise InvalidArgument CALENDAR_INVALID unless the IANA knows the zone."""
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _invalid("time_zone", "iana", f"{time_zone!r} is not an IANA time zone") from error


def default_calendar_id(tenant_id: UUID) -> UUID:
    """The same whoever asks."""
    return uuid5(tenant_id, "default calendar")


def default_calendar(tenant_id: UUID, *, now: datetime) -> Calendar:
    """Monday to Friday, 09:00-12:00 and 13:30-18:00 in China."""
    hours = (Hours("09:00", "12:00"), Hours("13:30", "18:00"))
    return Calendar(
        id=default_calendar_id(tenant_id),
        display_name="标准工作时间",
        time_zone="Asia/Shanghai",
        weekly=tuple(DayHours(weekday, hours) for weekday in list(Weekday)[:5]),
        create_time=now,
        update_time=now,
        is_default=True,
    )


def _intervals(name: str, hours: tuple[Hours, ...]) -> DayIntervals:
    """The hours of one day in minutes, in their order."""
    found = []
    for number, each in enumerate(hours):
        field = f"{name}[{number}]"
        interval = LocalInterval(_minutes(f"{field}.opens", each.opens), _minutes(f"{field}.closes", each.closes))
        if interval.opens >= interval.closes:
            raise _invalid(field, "half_open", f"{each} must open before it closes")
        found.append((interval, field, each))
    found.sort(key=lambda one: one[0])
    for (earlier, _, first), (later, field, second) in pairwise(found):
        if later.opens < earlier.closes:
            raise _invalid(field, "no_overlap", f"{second} overlaps {first}")
    return tuple(interval for interval, _, _ in found)


def _minutes(name: str, text: str) -> int:
    """Minutes from midnight of `HH:MM`, 00:00 to 24:00."""
    match = _TIME_OF_DAY.fullmatch(text)
    minutes = int(match[1]) * 60 + int(match[2]) if match else MINUTES_A_DAY + 1
    if minutes > MINUTES_A_DAY:
        raise _invalid(name, "time_of_day", f"{text!r} is not a time from 00:00 to 24:00")
    return minutes


def _invalid(name: str, rule: str, detail: str) -> InvalidArgument:
    return invalid_field(f"calendar.{name}", rule, detail, reason="CALENDAR_INVALID")
