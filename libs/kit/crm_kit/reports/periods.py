"""Which days a period of a report has, what it is called, what it is compared with, and which goes with which. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta

from crm_kit.filtering.tree import Unit
from crm_kit.labels import Label
from crm_kit.reports.model import Compare, Span
from crm_kit.resource.buckets import bucket_of, first_day_of, number_of

_CALENDAR = {
    Span.TODAY: (Unit.DAY, 0),
    Span.YESTERDAY: (Unit.DAY, -1),
    Span.THIS_WEEK: (Unit.WEEK, 0),
    Span.LAST_WEEK: (Unit.WEEK, -1),
    Span.THIS_MONTH: (Unit.MONTH, 0),
    Span.LAST_MONTH: (Unit.MONTH, -1),
    Span.THIS_QUARTER: (Unit.QUARTER, 0),
    Span.LAST_QUARTER: (Unit.QUARTER, -1),
    Span.THIS_YEAR: (Unit.YEAR, 0),
    Span.LAST_YEAR: (Unit.YEAR, -1),
}
# Spans that end with the day, or month, that it is.
_ROLLING = {
    Span.LAST_7_DAYS: (Unit.DAY, 7),
    Span.LAST_30_DAYS: (Unit.DAY, 30),
    Span.LAST_12_MONTHS: (Unit.MONTH, 12),
}
WEEKS_OF_A_YEAR = 52


@dataclass(frozen=True, slots=True)
class Days:
    """Days from `first` to before `end`: `count` units from the number `number` on."""

    unit: Unit
    number: int
    count: int = 1

    @property
    def first(self) -> date:
        return first_day_of(self.unit, self.number)

    @property
    def end(self) -> date:
        return first_day_of(self.unit, self.number + self.count)

    @property
    def last(self) -> date:
        return self.end - timedelta(days=1)


def label_of_bucket(unit: Unit, first: date) -> Label:
    """What people call the day, week, month, quarter or year that begins on a day; weeks by number (ISO 8601)."""
    match unit:
        case Unit.DAY:
            return Label(first.isoformat(), first.isoformat())
        case Unit.WEEK:
            year, week, _ = first.isocalendar()
            return Label(f"{year:04} W{week:02}", f"{year}年第{week}周")
        case Unit.MONTH:
            return Label(f"{first.year:04}-{first.month:02}", f"{first.year}年{first.month}月")
        case Unit.QUARTER:
            quarter = (first.month + 2) // 3
            return Label(f"{first.year:04} Q{quarter}", f"{first.year}年第{quarter}季度")
    return Label(f"{first.year:04}", f"{first.year}年")


def days_of(span: Span, today: date) -> Days:
    """The days of a span, seen from a day."""
    if span in _CALENDAR:
        unit, later = _CALENDAR[span]
        return Days(unit, number_of(unit, today) + later)
    unit, count = _ROLLING[span]
    return Days(unit, number_of(unit, today) - count + 1, count)


def compared_with(days: Days, compare: Compare) -> Days:
    """As many right before, or those of the year before: of weeks those 52 weeks before, which begin on Monday, too."""
    if compare is Compare.PREVIOUS_PERIOD:
        return Days(days.unit, days.number - days.count, days.count)
    match days.unit:
        case Unit.DAY:
            before = number_of(Unit.DAY, a_year_before(days.last)) - days.count + 1
            return Days(Unit.DAY, before, days.count)
        case Unit.WEEK:
            return Days(Unit.WEEK, days.number - WEEKS_OF_A_YEAR, days.count)
        case Unit.MONTH:
            return Days(Unit.MONTH, days.number - 12, days.count)
        case Unit.QUARTER:
            return Days(Unit.QUARTER, days.number - 4, days.count)
    return Days(Unit.YEAR, days.number - 1, days.count)


def a_year_before(day: date) -> date:
    """The same day of the year before; of 29 February the 28th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def counterpart(unit: Unit, bucket: date, of: Days, to: Days) -> date | None:
    """The bucket that has in `to` the place that `bucket` has in `of`; None where `to` ends before."""
    place = number_of(unit, bucket) - number_of(unit, of.first)
    found = first_day_of(unit, number_of(unit, to.first) + place)
    return found if bucket_of(unit, to.first) <= found < to.end else None
