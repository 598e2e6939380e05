"""Business time reckoned anew from a calendar as the API gives it, so that promises are not checked by themselves."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.e2e.story.people import Json

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def after_open_minutes(start: datetime, minutes: int, calendar: Json) -> datetime:
    """When the calendar has been open for so many minutes from `start`."""
    left = timedelta(minutes=minutes)
    day = start.astimezone(ZoneInfo(calendar["time_zone"])).date()
    while True:
        for opens, closes in _open(day, calendar):
            begins = max(opens, start)
            if begins < closes and left <= closes - begins:
                return begins + left
            left -= max(timedelta(0), closes - begins)
        day += timedelta(days=1)


def _open(day: date, calendar: Json) -> Iterator[tuple[datetime, datetime]]:
    """The open hours of a civil day; a dated exception stands before the week."""
    weekly = {each["weekday"]: each["hours"] for each in calendar["weekly"]}
    dated = {each["local_date"]: each["hours"] for each in calendar["exceptions"]}
    for hours in dated.get(day.isoformat(), weekly.get(WEEKDAYS[day.weekday()], [])):
        yield _instant(day, hours["opens"], calendar), _instant(day, hours["closes"], calendar)


def _instant(day: date, clock: str, calendar: Json) -> datetime:
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(calendar["time_zone"])).astimezone(UTC)
