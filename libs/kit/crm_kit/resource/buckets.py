"""Days, weeks, months, quarters and years of a calendar, as groups of dates and instants. Pure.

A bucket is told by its first day. Weeks begin on Monday (ISO 8601).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from crm_kit.filtering.tree import Unit
from crm_kit.filtering.words import midnight
from crm_kit.zones import time_text

_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
# So many buckets before and after one are told apart by when they begin.
AROUND = {Unit.DAY: (730, 31), Unit.WEEK: (520, 52), Unit.MONTH: (120, 12), Unit.QUARTER: (40, 4), Unit.YEAR: (10, 1)}
# Between which zones and calendars say when days begin.
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9000, 1, 1)


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


@dataclass(frozen=True, slots=True)
class Beginnings:
    """When buckets that follow each other begin, each after the one before; `first_days` of all but the last."""

    instants: Sequence[datetime]
    first_days: Sequence[date]


@lru_cache(maxsize=256)
def beginnings(unit: Unit, number: int, zone: str) -> Beginnings:
    """The buckets of a zone around the one with this number, which most records are in: two to ten years of them."""
    before, after = AROUND[unit]
    first, last = number_of(unit, FIRST_DAY), number_of(unit, LAST_DAY)
    numbers = range(max(number - before, first), min(number + after, last) + 1)
    days = [first_day_of(unit, each) for each in numbers]
    return Beginnings([midnight(day, ZoneInfo(zone)) for day in days], days[:-1])


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
