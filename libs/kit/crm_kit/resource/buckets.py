"""Days, weeks, months, quarters and years of a calendar, as groups of dates and instants. Pure.

A bucket is told by its first day. Weeks begin on Monday (ISO 8601).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from crm_kit.filtering.tree import Unit
from crm_kit.filtering.words import midnight
from crm_kit.zones import time_text

_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Span:
    """Days from `first` to before `end`; without an end where the calendar has none that is later."""

    first: date
    end: date | None


def bucket_of(unit: Unit, day: date) -> date:
    """The first day of the bucket that a day is in."""
    if unit is Unit.DAY:
        return day
    if unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    months = _MONTHS[unit]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def number_of(unit: Unit, day: date) -> int:
    """Which bucket of the calendar it is: those that follow each other have numbers that do."""
    if unit is Unit.DAY:
        return day.toordinal()
    if unit is Unit.WEEK:
        # The first day of the calendar is a Monday.
        return (day.toordinal() - 1) // 7
    return (12 * day.year + day.month - 1) // _MONTHS[unit]


def first_day_of(unit: Unit, number: int) -> date:
    """The first day of the bucket with this number; OverflowError or ValueError where calendars have none."""
    if unit is Unit.DAY:
        return date.fromordinal(number)
    if unit is Unit.WEEK:
        return date.fromordinal(7 * number + 1)
    year, month = divmod(number * _MONTHS[unit], 12)
    return date(year, month + 1, 1)


def span_of(unit: Unit, first: date) -> Span:
    """The days of the bucket that begins on a day."""
    try:
        return Span(first, first_day_of(unit, number_of(unit, first) + 1))
    except (ValueError, OverflowError):
        return Span(first, None)


def within(field: str, span: Span, zone: str | None) -> str:
    """The filter of what is in a span: of dates without a zone, of instants by the days of the zone."""
    bounds = [
        f"{field} {operator} {text}"
        for operator, day in ((">=", span.first), ("<", span.end))
        if day is not None and (text := _bound(day, zone))
    ]
    return " AND ".join(bounds) or f"{field} != null"


def _bound(day: date, zone: str | None) -> str:
    """A day, or its first instant; empty where that is before or after all time."""
    if zone is None:
        return day.isoformat()
    try:
        return time_text(midnight(day, ZoneInfo(zone)))
    except OverflowError:
        return ""
