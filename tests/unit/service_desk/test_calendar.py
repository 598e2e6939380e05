"""Calendars as they are given, and the business hours that they mean."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from crm_kit.errors import InvalidArgument
from crm_kit.working_time.business_hours import BusinessHours, LocalInterval
from crm_kit.working_time.model import DatedException, DayHours, Hours, Weekday
from crm_service_desk.calendars.model import Calendar, default_calendar

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEW_YEAR = date(2026, 1, 1)
MORNING = Hours("09:00", "12:00")
CALENDAR = Calendar(
    id=UUID(int=1),
    display_name="office",
    time_zone="Asia/Shanghai",
    weekly=(DayHours(Weekday.TUESDAY, (Hours("13:00", "24:00"), MORNING)),),
    create_time=NOON,
    update_time=NOON,
)


def test_hours_are_read_in_any_order_and_a_weekday_that_is_not_listed_is_closed() -> None:
    tuesday = (LocalInterval(540, 720), LocalInterval(780, 1440))
    assert CALENDAR.business_hours == BusinessHours("Asia/Shanghai", ((), tuesday, *((),) * 5))


def test_a_date_has_the_hours_of_its_exception_or_else_of_its_weekday() -> None:
    closed = replace(CALENDAR, exceptions=(DatedException(date(2026, 3, 3)), DatedException(NEW_YEAR, (MORNING,))))
    hours = closed.business_hours
    assert hours.hours_on(date(2026, 3, 3)) == ()
    assert hours.hours_on(NEW_YEAR) == (LocalInterval(540, 720),)
    assert hours.hours_on(date(2026, 3, 10)) == (LocalInterval(540, 720), LocalInterval(780, 1440))


def on_monday(*hours: Hours) -> tuple[DayHours, ...]:
    return (DayHours(Weekday.MONDAY, hours),)


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Mars/Olympus"),
        ({"time_zone": "../etc/passwd"}, "time_zone", "../etc/passwd"),
        ({"time_zone": "America"}, "time_zone", "America"),
        ({"weekly": on_monday(MORNING) * 2}, "weekly[1].weekday", "MONDAY"),
        ({"weekly": on_monday(MORNING, Hours("11:00", "13:20"))}, "weekly[0].hours[1]", "11:00-13:20"),
        ({"weekly": on_monday(Hours("09:00", "09:00"))}, "weekly[0].hours[0]", "09:00-09:00"),
        ({"weekly": on_monday(Hours("09:00", "24:01"))}, "weekly[0].hours[0].closes", "24:01"),
        ({"weekly": on_monday(Hours("9:00", "10:00"))}, "weekly[0].hours[0].opens", "9:00"),
        ({"weekly": on_monday(Hours("09:60", "10:00"))}, "weekly[0].hours[0].opens", "09:60"),
        ({"weekly": on_monday(Hours("１0:00", "11:00"))}, "weekly[0].hours[0].opens", "１0:00"),
        ({"exceptions": (DatedException(NEW_YEAR),) * 2}, "exceptions[1].local_date", "2026-01-01"),
        (
            {"exceptions": (DatedException(NEW_YEAR, (Hours("00:09", "00:03"),)),)},
            "exceptions[0].hours[0]",
            "00:09",
        ),
    ],
)
def test_a_calendar_that_cannot_be_used_is_refused_with_field_and_value(
    fields: dict[str, Any], field: str, value: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        replace(CALENDAR, **fields).check()
    assert refused.value.reason == "CALENDAR_INVALID"
    assert [violation.field for violation in refused.value.violations] == [f"calendar.{field}"]
    assert value in refused.value.detail


def test_a_calendar_opens_for_at_least_an_hour_a_week() -> None:
    replace(CALENDAR, weekly=on_monday(Hours("09:00", "10:00"))).check()
    with pytest.raises(InvalidArgument, match="an hour a week"):
        replace(CALENDAR, weekly=on_monday(Hours("09:00", "09:59"))).check()


def test_the_default_calendar_is_one_that_can_be_used() -> None:
    default = default_calendar(UUID(int=7), now=NOON)
    default.check()
    assert default.is_default
    assert default.business_hours.minutes_a_week == 5 * 450
