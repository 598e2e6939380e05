"""Calendars between protobuf and entity."""

from collections.abc import Iterable
from datetime import date

from crm.service_desk.v1 import calendars_pb2 as pb
from crm.service_desk.v1 import events_pb2
from crm_kit.errors import invalid_field
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, same, timestamp

from crm_service_desk.calendars.business_hours import BusinessHours
from crm_service_desk.calendars.model import Calendar, DatedException, DayHours, Hours, Weekday, business_hours

WEEKDAYS = EnumNames(pb.DayHours.Weekday, "WEEKDAY_", Weekday)


def hours_from(values: Iterable[pb.Hours]) -> tuple[Hours, ...]:
    return tuple(Hours(each.opens, each.closes) for each in values)


def weekly_from(values: Iterable[pb.DayHours]) -> tuple[DayHours, ...]:
    return tuple(DayHours(WEEKDAYS.entity(each.weekday), hours_from(each.hours)) for each in values)


def exceptions_from(values: Iterable[pb.DatedException]) -> tuple[DatedException, ...]:
    return tuple(
        DatedException(date_from(each.local_date, f"calendar.exceptions[{number}].local_date"), hours_from(each.hours))
        for number, each in enumerate(values)
    )


def date_from(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid_field(field, "date", f"{text} is not a date", reason="CALENDAR_INVALID") from None


# What a caller may set.
FIELDS = Fields(display_name=same, time_zone=same, weekly=weekly_from, exceptions=exceptions_from)


def business_hours_from(message: pb.Calendar) -> BusinessHours:
    """The hours of a calendar given whole; InvalidArgument CALENDAR_INVALID naming what is wrong."""
    return business_hours(message.time_zone, weekly_from(message.weekly), exceptions_from(message.exceptions))


def calendar_to_pb(calendar: Calendar) -> pb.Calendar:
    return pb.Calendar(
        id=str(calendar.id),
        display_name=calendar.display_name,
        time_zone=calendar.time_zone,
        weekly=[
            pb.DayHours(weekday=WEEKDAYS.wire(each.weekday), hours=hours_to_pb(each.hours)) for each in calendar.weekly
        ],
        exceptions=[
            pb.DatedException(local_date=each.local_date.isoformat(), hours=hours_to_pb(each.hours))
            for each in calendar.exceptions
        ],
        is_default=calendar.is_default,
        version=calendar.version,
        etag=etag_of(calendar.version),
        create_time=timestamp(calendar.create_time),
        update_time=timestamp(calendar.update_time),
    )


def hours_to_pb(hours: Iterable[Hours]) -> list[pb.Hours]:
    return [pb.Hours(opens=each.opens, closes=each.closes) for each in hours]


def calendar_created(calendar: Calendar) -> events_pb2.CalendarCreated:
    return events_pb2.CalendarCreated(calendar=calendar_to_pb(calendar))


def calendar_updated(calendar: Calendar, changed_fields: Iterable[str]) -> events_pb2.CalendarUpdated:
    return events_pb2.CalendarUpdated(calendar=calendar_to_pb(calendar), changed_fields=changed_fields)
