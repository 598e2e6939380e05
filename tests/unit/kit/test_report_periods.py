"""Days, weeks, months, quarters and years of reports, and which of two times stand beside each other."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from crm_kit.filtering.tree import FieldType, Unit
from crm_kit.labels import Label
from crm_kit.reports.model import Compare, Span
from crm_kit.reports.periods import Days, compared_with, counterpart, days_of, label_of_bucket
from crm_kit.resource import buckets
from crm_kit.resource.openings import condition_of, opening, quoted
from crm_kit.resource.questions import Grouping
from hypothesis import given
from hypothesis import strategies as st

DAYS = st.dates(date(2, 1, 1), date(9998, 12, 31))
MODERN = st.dates(date(1990, 1, 1), date(2090, 12, 31))
UNITS = st.sampled_from(Unit)
ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])


@given(unit=UNITS, day=DAYS)
def test_each_day_is_in_the_bucket_that_begins_on_or_before_it_and_ends_after_it(unit: Unit, day: date) -> None:
    first = buckets.bucket_of(unit, day)
    span = buckets.span_of(unit, first)
    assert span.end is not None
    assert span.first == first <= day < span.end
    assert buckets.bucket_of(unit, span.end) == span.end
    assert buckets.bucket_of(unit, span.end - timedelta(days=1)) == first
    match unit:
        case Unit.DAY:
            assert span.end - first == timedelta(days=1)
        case Unit.WEEK:
            assert (first.isoweekday(), span.end - first) == (1, timedelta(days=7))
        case Unit.MONTH:
            assert (first.day, (span.end - first).days) == (1, calendar.monthrange(day.year, day.month)[1])
        case Unit.QUARTER:
            assert (first.day, first.month in (1, 4, 7, 10)) == (1, True)
            assert (span.end.year - first.year) * 12 + span.end.month - first.month == 3
        case Unit.YEAR:
            assert (first.month, first.day, span.end.year - first.year) == (1, 1, 1)


@given(unit=UNITS, day=DAYS)
def test_buckets_that_follow_each_other_have_numbers_that_do(unit: Unit, day: date) -> None:
    number = buckets.number_of(unit, day)
    assert buckets.first_day_of(unit, number) == buckets.bucket_of(unit, day)
    end = buckets.span_of(unit, buckets.bucket_of(unit, day)).end
    assert end is not None
    assert buckets.number_of(unit, end) == number + 1


def test_at_the_ends_of_the_calendar_a_bucket_has_the_bounds_that_there_are() -> None:
    last = Grouping("close_time", FieldType.INSTANT, Unit.YEAR)
    assert condition_of(last, "9999-01-01", "Asia/Shanghai") == "close_time >= 9998-12-31T16:00:00Z"
    first = Grouping("close_time", FieldType.INSTANT, Unit.DAY)
    assert condition_of(first, "0001-01-01", "Asia/Shanghai") == "close_time < 0001-01-01T15:54:17Z"
    day = Grouping("due_date", FieldType.DATE, Unit.DAY)
    assert condition_of(day, "9999-12-31", "Asia/Shanghai") == "due_date >= 9999-12-31"


@given(day=MODERN, zone=ZONES, at=st.times())
def test_an_instant_is_within_the_bounds_of_the_day_that_clocks_of_the_zone_show(
    day: date, zone: str, at: time
) -> None:
    instant = datetime.combine(day, at, UTC)
    shown = instant.astimezone(ZoneInfo(zone)).date()
    bounds = condition_of(Grouping("t", FieldType.INSTANT, Unit.DAY), shown.isoformat(), zone)
    since, before = (datetime.fromisoformat(part.split()[-1]) for part in bounds.split(" AND "))
    assert since <= instant < before


@pytest.mark.parametrize(
    ("unit", "first", "en", "zh"),
    [
        (Unit.DAY, date(2026, 11, 28), "2026-11-28", "2026-11-28"),
        (Unit.WEEK, date(2026, 11, 23), "2026 W48", "2026年第48周"),
        # The week of New Year is that of the year in which most of it lies.
        (Unit.WEEK, date(2024, 12, 30), "2025 W01", "2025年第1周"),
        (Unit.WEEK, date(2026, 12, 28), "2026 W53", "2026年第53周"),
        (Unit.MONTH, date(2026, 11, 1), "2026-11", "2026年11月"),
        (Unit.QUARTER, date(2026, 10, 1), "2026 Q4", "2026年第4季度"),
        (Unit.YEAR, date(987, 1, 1), "0987", "987年"),
    ],
)
def test_a_bucket_is_called_by_what_it_is_and_not_by_its_first_day(unit: Unit, first: date, en: str, zh: str) -> None:
    assert label_of_bucket(unit, first) == Label(en, zh)


@given(unit=UNITS, days=st.sets(MODERN, min_size=2))
def test_no_two_buckets_are_called_alike_and_later_ones_come_later_in_a_sheet_that_is_sorted(
    unit: Unit, days: set[date]
) -> None:
    firsts = sorted({buckets.bucket_of(unit, day) for day in days})
    labels = [label_of_bucket(unit, first) for first in firsts]
    assert [each.en for each in labels] == sorted({each.en for each in labels})
    assert len({each.zh for each in labels}) == len(firsts)


# --- periods


@given(span=st.sampled_from(Span), today=MODERN, compare=st.sampled_from(Compare))
def test_a_period_is_compared_with_one_that_is_as_long_and_lies_before(
    span: Span, today: date, compare: Compare
) -> None:
    days = days_of(span, today)
    before = compared_with(days, compare)
    assert (before.unit, before.count) == (days.unit, days.count)
    assert before.last < days.last
    if compare is Compare.PREVIOUS_PERIOD:
        assert before.end == days.first
    else:
        assert 360 <= (days.last - before.last).days <= 367
    if not span.value.startswith(("LAST_WEEK", "LAST_MONTH", "LAST_QUARTER", "LAST_YEAR", "YESTERDAY")):
        assert days.first <= today <= days.last


@pytest.mark.parametrize(
    ("span", "compare", "now", "before"),
    [
        (Span.THIS_QUARTER, Compare.PREVIOUS_PERIOD, ("2028-01-01", "2028-03-31"), ("2027-10-01", "2027-12-31")),
        (Span.LAST_MONTH, Compare.SAME_PERIOD_LAST_YEAR, ("2028-01-01", "2028-01-31"), ("2027-01-01", "2027-01-31")),
        (Span.TODAY, Compare.SAME_PERIOD_LAST_YEAR, ("2028-02-29", "2028-02-29"), ("2027-02-28", "2027-02-28")),
        (Span.THIS_WEEK, Compare.SAME_PERIOD_LAST_YEAR, ("2028-02-28", "2028-03-05"), ("2027-03-01", "2027-03-07")),
        (Span.LAST_7_DAYS, Compare.PREVIOUS_PERIOD, ("2028-02-23", "2028-02-29"), ("2028-02-16", "2028-02-22")),
        (Span.LAST_12_MONTHS, Compare.PREVIOUS_PERIOD, ("2027-03-01", "2028-02-29"), ("2026-03-01", "2027-02-28")),
    ],
)
def test_a_leap_day_and_the_turn_of_a_year_have_their_counterparts(
    span: Span, compare: Compare, now: tuple[str, str], before: tuple[str, str]
) -> None:
    days = days_of(span, date(2028, 2, 29))
    assert (str(days.first), str(days.last)) == now
    other = compared_with(days, compare)
    assert (str(other.first), str(other.last)) == before


def test_days_of_a_longer_month_that_the_shorter_one_does_not_have_stand_beside_nothing() -> None:
    february, january = (Days(Unit.MONTH, buckets.number_of(Unit.MONTH, date(2027, month, 1))) for month in (2, 1))
    assert counterpart(Unit.DAY, date(2027, 1, 28), january, february) == date(2027, 2, 28)
    assert counterpart(Unit.DAY, date(2027, 1, 29), january, february) is None
    assert counterpart(Unit.WEEK, date(2027, 1, 4), january, february) == date(2027, 2, 8)


# --- filters


@given(st.text())
def test_a_text_stands_in_a_filter_as_it_is(text: str) -> None:
    within = quoted(text)[1:-1]
    assert quoted(text)[0] == quoted(text)[-1] == '"'
    read, signs = [], iter(within)
    for sign in signs:
        assert sign != '"'
        read.append(next(signs) if sign == "\\" else sign)
    assert "".join(read) == text


def test_what_is_longer_than_a_filter_may_be_opens_nothing() -> None:
    assert opening("a = 1 OR b = 2", ["c = 3"]) == "(a = 1 OR b = 2) AND c = 3"
    assert opening("", ["c = 3"]) == "c = 3"
    assert opening("a = 1", []) == "a = 1"
    assert opening("", []) == ""
    assert opening("a = 1", [f'b = "{"x" * 2000}"']) == ""
