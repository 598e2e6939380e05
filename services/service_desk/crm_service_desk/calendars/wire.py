"""Calendars between protobuf and entity."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from crm.service_desk.v1 import calendars_pb2 as pb
from crm_kit.errors import invalid_field
from crm_kit.etags import etag_of
from crm_kit.wire import Fields, same, timestamp
from google.protobuf.field_mask_pb2 import FieldMask

from crm_service_desk.calendars.model import Calendar, DatedException, LocalInterval, parse_time_of_day
from crm_service_desk.calendars.tenant_calendar import TenantCalendar


def hours_from(values: Iterable[pb.Hours]) -> tuple[LocalInterval, ...]:
    return tuple(LocalInterval(parse_time_of_day(each.opens), parse_time_of_day(each.closes)) for each in values)


def weekly_from(values: Iterable[pb.DayHours]) -> tuple[tuple[LocalInterval, ...], ...]:
    days: dict[int, tuple[LocalInterval, ...]] = {}
    for number, each in enumerate(values):
        if each.weekday in days:
            name = pb.DayHours.Weekday.Name(each.weekday).removeprefix("WEEKDAY_")
            raise invalid_field(
                f"calendar.weekly[{number}].weekday", "unique", f"{name} is given twice", reason="CALENDAR_INVALID"
            )
        days[each.weekday] = hours_from(each.hours)
    return tuple(days.get(weekday, ()) for weekday in range(1, 8))


def exceptions_from(values: Iterable[pb.DatedException]) -> tuple[DatedException, ...]:
    return tuple(
        DatedException(date_from(each.local_date, f"calendar.exceptions[{number}].local_date"), hours_from(each.hours))
        for number, each in enumerate(values)
    )


def date_from(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid_field(field, "date", f"{text} is no date", reason="CALENDAR_INVALID") from None


# What a caller may set; the last three make the hours, which are checked together.
CHANGEABLE = Fields(display_name=same, time_zone=same, weekly=weekly_from, exceptions=exceptions_from)


def calendar_from(message: pb.Calendar) -> Calendar:
    """The hours of a calendar given whole; InvalidArgument CALENDAR_INVALID naming what is wrong."""
    return Calendar(message.time_zone, weekly_from(message.weekly), exceptions_from(message.exceptions))


def changes_from(message: pb.Calendar, mask: FieldMask, now: Calendar) -> dict[str, Any]:
    """The new values of an entity's fields, where `now` gives those of the hours that are not changed."""
    values = CHANGEABLE.masked(message, mask)
    hours = Calendar(
        values.pop("time_zone", now.time_zone),
        values.pop("weekly", now.weekly),
        values.pop("exceptions", now.exceptions),
    )
    return values | {"calendar": hours}


def calendar_to_pb(calendar: TenantCalendar) -> pb.Calendar:
    hours = calendar.calendar
    return pb.Calendar(
        id=str(calendar.id),
        display_name=calendar.display_name,
        time_zone=hours.time_zone,
        weekly=[
            pb.DayHours(weekday=pb.DayHours.Weekday.values()[number], hours=hours_to_pb(day))
            for number, day in enumerate(hours.weekly, 1)
            if day
        ],
        exceptions=[
            pb.DatedException(local_date=each.date.isoformat(), hours=hours_to_pb(each.hours))
            for each in hours.exceptions
        ],
        is_default=calendar.is_default,
        version=calendar.version,
        etag=etag_of(calendar.version),
        create_time=timestamp(calendar.create_time),
        update_time=timestamp(calendar.update_time),
    )


def hours_to_pb(hours: Iterable[LocalInterval]) -> list[pb.Hours]:
    pairs = (str(each).split("-") for each in hours)
    return [pb.Hours(opens=opens, closes=closes) for opens, closes in pairs]
