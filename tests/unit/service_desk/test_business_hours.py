"""Business time, against a grid of minutes that knows nothing of the code under test."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from crm_kit.errors import InvalidArgument
from crm_kit.working_time.business_hours import BusinessHours
from crm_kit.working_time.timeline import timeline_of
from crm_service_desk.service_levels.model import Target, TargetEnd
from crm_service_desk.service_levels.time_spent import CountedInterval, TimeSpent
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.steps import MAX_SECONDS, quickest
from tests.unit.kit.grid import MINUTE, Grid, odd_hours
from tests.unit.service_desk.counting import (
    HOUR,
    Stop,
    business_intervals,
    counted,
    daily,
    due_time,
    elapsed,
    intervals,
    weekly,
)

NINE_TO_SIX = "09:00-12:00, 13:00-18:00"
SHANGHAI = weekly("Asia/Shanghai", dict.fromkeys(range(5), NINE_TO_SIX))


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def within(minutes: int) -> Target:
    return Target(business_minutes=minutes)


def minutes_of(found: list[CountedInterval], grid: Grid) -> set[int]:
    covered: set[int] = set()
    for interval in found:
        start, rest = divmod(interval.start_time - grid.first, MINUTE)
        assert not rest
        covered |= set(range(start, (interval.end_time - grid.first) // MINUTE))
    return covered


def opening(hours: BusinessHours) -> BusinessHours:
    """The same, or nine to six on all days where no weekday would ever open."""
    return hours if any(hours.weekly) else BusinessHours(hours.time_zone, (intervals(NINE_TO_SIX),) * 7)


minutes_near = st.integers(3 * 1440, 10 * 1440)
stops_near = st.lists(st.tuples(minutes_near, st.integers(0, 4000)), max_size=3)


@given(odd_hours(), minutes_near, minutes_near)
def test_business_intervals_are_the_minutes_on_which_the_wall_clock_says_open(
    at: tuple[BusinessHours, Grid], start: int, end: int
) -> None:
    hours, grid = at
    found = business_intervals(hours, grid.at(start), grid.at(end))
    expected = grid.open_minutes(hours) & set(range(start, end))
    assert minutes_of(found, grid) == expected
    assert all(a.end_time < b.start_time for a, b in pairwise(found))


@given(odd_hours(), minutes_near, st.integers(0, 7 * 1440), stops_near)
def test_what_has_elapsed_is_the_count_of_open_minutes_outside_pauses(
    at: tuple[BusinessHours, Grid], start: int, length: int, stops: list[tuple[int, int]]
) -> None:
    hours, grid = opening(at[0]), at[1]
    end = min(start + length, 10 * 1440)
    paused = {minute for a, n in stops for minute in range(a, a + n)}
    expected = len((grid.open_minutes(hours) & set(range(start, end))) - paused)
    pauses = [Stop(grid.at(a), grid.at(a + n)) for a, n in stops]
    assert (
        counted(hours, grid.at(start), within(1), grid.at(max(start, end)), pauses).time_spent.elapsed
        == expected * MINUTE
    )


@given(odd_hours(), minutes_near, st.integers(1, 3000), stops_near)
def test_a_target_is_due_at_the_first_minute_at_which_so_much_has_elapsed(
    at: tuple[BusinessHours, Grid], start: int, minutes: int, stops: list[tuple[int, int]]
) -> None:
    hours, grid = opening(at[0]), at[1]
    running = grid.open_minutes(hours) - {minute for a, n in stops for minute in range(a, a + n)}
    due = due_time(hours, grid.at(start), within(minutes), [Stop(grid.at(a), grid.at(a + n)) for a, n in stops])
    passed, minute = 0, start
    while passed < minutes and minute < 12 * 1440:
        passed += minute in running
        minute += 1
    assert due is not None
    if passed == minutes:
        assert due == grid.at(minute)
    else:
        assert due > grid.at(minute)


instants = st.integers(0, 60 * 365 * 86400 * 10**6).map(
    lambda n: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)
)


@given(odd_hours(), instants, instants, instants)
def test_what_has_elapsed_adds_up_to_the_microsecond_over_decades(
    at: tuple[BusinessHours, Grid], a: datetime, b: datetime, c: datetime
) -> None:
    hours, _ = at
    a, b, c = sorted((a, b, c))
    assert elapsed(hours, a, b) + elapsed(hours, b, c) == elapsed(hours, a, c)


@settings(max_examples=30)
@given(odd_hours(), instants, st.integers(1, 3_300_000))
def test_a_due_time_decades_ahead_is_the_first_at_which_the_target_has_elapsed(
    at: tuple[BusinessHours, Grid], start: datetime, minutes: int
) -> None:
    hours, _ = at
    hours = BusinessHours(hours.time_zone, (intervals(NINE_TO_SIX), *hours.weekly[1:]), hours.exceptions)
    target = timedelta(minutes=minutes)
    try:
        due = due_time(hours, start, within(minutes))
    except InvalidArgument as error:
        assert error.reason == "CALENDAR_INVALID"
        assert elapsed(hours, start, start + timedelta(days=49 * 365)) < target
        return
    assert due is not None
    assert elapsed(hours, start, due) == target
    just_before = due - timedelta(microseconds=1)
    assert elapsed(hours, start, just_before) == target - timedelta(microseconds=1)


def test_a_budget_used_up_at_closing_is_due_at_closing() -> None:
    assert due_time(SHANGHAI, shanghai("2026-03-02T09:00"), within(8 * HOUR)) == shanghai("2026-03-02T18:00")


def test_a_start_at_night_counts_from_the_opening() -> None:
    assert due_time(SHANGHAI, shanghai("2026-03-06T20:00"), within(HOUR)) == shanghai("2026-03-09T10:00")


def test_a_make_up_working_day_replaces_its_weekday_and_a_holiday_closes() -> None:
    golden_week = [(date(2026, 10, day), intervals("")) for day in range(1, 8)]
    make_up = (date(2026, 10, 10), intervals("09:00-12:00"))
    hours = BusinessHours("Asia/Shanghai", SHANGHAI.weekly, (*golden_week, make_up))
    start = shanghai("2026-09-30T17:00")
    assert due_time(hours, start, within(2 * HOUR)) == shanghai("2026-10-08T10:00")
    assert due_time(hours, start, within(18 * HOUR)) == shanghai("2026-10-10T10:00")


def test_hours_to_midnight_and_from_midnight_are_one_interval() -> None:
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert business_intervals(daily("Europe/Berlin", "00:00-24:00"), start, end) == [CountedInterval(start, end)]


def test_a_skipped_hour_is_lost_and_a_repeated_one_gained() -> None:
    night = daily("America/New_York", "00:00-06:00")
    for day, hours in ((date(2026, 3, 7), 6), (date(2026, 3, 8), 5), (date(2026, 11, 1), 7)):
        noon = datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
        assert elapsed(night, noon - timedelta(hours=18), noon) == timedelta(hours=hours)


def test_opening_in_the_gap_moves_forward_by_the_gap_and_an_interval_emptied_by_it_drops_out() -> None:
    start, end = datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)
    moved = business_intervals(daily("America/New_York", "02:30-05:00"), start, end)
    assert moved == [CountedInterval(datetime(2026, 3, 8, 7, 30, tzinfo=UTC), datetime(2026, 3, 8, 9, tzinfo=UTC))]
    assert business_intervals(daily("America/New_York", "02:30-03:15"), start, end) == []


def test_opening_at_a_repeated_time_takes_its_first_occurrence() -> None:
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    once = business_intervals(daily("America/New_York", "01:15-01:45"), start, end)
    assert once == [CountedInterval(datetime(2026, 11, 1, 5, 15, tzinfo=UTC), datetime(2026, 11, 1, 5, 45, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("start", "days", "end", "due"),
    [
        ("2026-03-02T10:30", 1, None, "2026-03-03T18:00"),
        ("2026-03-02T10:30", 1, TargetEnd.CLOSE_OF_DAY, "2026-03-03T18:00"),
        ("2026-03-06T20:00", 2, TargetEnd.CLOSE_OF_DAY, "2026-03-10T18:00"),
        ("2026-03-07T10:00", 1, TargetEnd.CLOSE_OF_DAY, "2026-03-09T18:00"),
        ("2026-03-02T10:30", 3, TargetEnd.SAME_TIME, "2026-03-05T10:30"),
        ("2026-03-02T09:00", 1, TargetEnd.SAME_TIME, "2026-03-03T09:00"),
        ("2026-03-06T10:30", 1, TargetEnd.SAME_TIME, "2026-03-09T10:30"),
        ("2026-03-07T10:30", 1, TargetEnd.SAME_TIME, "2026-03-10T09:00"),
    ],
)
def test_a_target_of_working_days_ends_where_it_says(start: str, days: int, end: TargetEnd | None, due: str) -> None:
    assert due_time(SHANGHAI, shanghai(start), Target(working_days=days, end=end)) == shanghai(due)


def test_a_pause_gives_a_target_of_working_days_back_what_it_took() -> None:
    stop = Stop(shanghai("2026-03-02T17:00"), shanghai("2026-03-03T10:00"))
    start = shanghai("2026-03-02T10:00")
    assert due_time(SHANGHAI, start, Target(working_days=2), [stop]) == shanghai("2026-03-05T11:00")


def test_a_pause_without_an_end_leaves_no_due_time() -> None:
    stop = Stop(shanghai("2026-03-02T11:00"), None)
    start = shanghai("2026-03-02T09:00")
    assert due_time(SHANGHAI, start, within(3 * HOUR), [stop]) is None
    assert due_time(SHANGHAI, start, within(2 * HOUR), [stop]) == shanghai("2026-03-02T11:00")


@pytest.mark.parametrize("target", [within(1), Target(working_days=1)])
def test_hours_that_never_open_are_refused_when_they_are_asked(target: Target) -> None:
    once = ((date(2026, 1, 5), intervals(NINE_TO_SIX)),)
    only_once = BusinessHours("Asia/Shanghai", ((),) * 7, once)
    before, after = shanghai("2026-01-01T00:00"), shanghai("2026-01-06T00:00")
    assert due_time(only_once, before, target) is not None
    with pytest.raises(InvalidArgument, match="too little business time") as refused:
        due_time(only_once, after, target)
    assert refused.value.reason == "CALENDAR_INVALID"


ODD_ZONES = [
    *("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"),
    *("America/Boa_Vista", "Africa/Casablanca", "Asia/Gaza", "America/Sao_Paulo"),
]


@pytest.mark.parametrize("zone", ODD_ZONES)
@pytest.mark.parametrize("hours", ["22:00-24:00", "00:00-24:00", "00:15-03:10, 08:00-23:30"])
def test_what_is_measured_over_decades_is_the_sum_of_the_intervals(zone: str, hours: str) -> None:
    """Measuring goes by what weeks have in common, listing by each of their days."""
    holidays = tuple((date(year, 5, 1), intervals("10:00-11:00")) for year in range(1995, 2005))
    calendar = weekly(zone, {0: hours, 2: hours, 6: hours, 5: "09:00-10:00"}, holidays)
    start, end = datetime(1990, 1, 3, 4, 5, tzinfo=UTC), datetime(2030, 7, 9, 1, 2, tzinfo=UTC)
    listed = business_intervals(calendar, start, end)
    timeline_of.cache_clear()
    for until in (end, datetime(2000, 10, 12, 3, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC)):
        expected = [min(each.end_time, until) - each.start_time for each in listed if each.start_time < until]
        assert elapsed(calendar, start, until) == sum(expected, timedelta())


def test_a_century_is_counted_within_the_time_that_a_request_may_hold_others_up() -> None:
    start = shanghai("2026-03-02T09:00")

    end = shanghai("2126-03-02T09:00")

    def count() -> None:
        timeline_of.cache_clear()
        counted(SHANGHAI, start, within(600), end)

    assert quickest(count) < MAX_SECONDS
    found = counted(SHANGHAI, start, within(600), end)
    assert found.time_spent.elapsed > timedelta(days=36_500) / 5
    assert len(found.time_spent.counted) < 366 * 2


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/London"])
def test_hours_as_broken_as_may_be_are_explained_in_time_with_the_latest_of_them(zone: str) -> None:
    every_three_hours = ", ".join(f"{hour:02}:00-{hour + 1:02}:00" for hour in range(0, 24, 3))
    hours = weekly(zone, dict.fromkeys(range(7), every_three_hours))
    start, end = shanghai("2016-03-02T09:00"), shanghai("2026-03-02T09:00")

    def explained() -> TimeSpent:
        timeline_of.cache_clear()
        return counted(hours, start, within(600), end).time_spent

    listed, run = explained().counted, explained().elapsed
    # Three times what it may hold others up: a machine may be slow.
    assert quickest(explained, 0.15) < 0.15
    assert listed == tuple(business_intervals(hours, start, end)[-1000:])
    assert run == sum((each.end_time - each.start_time for each in business_intervals(hours, start, end)), timedelta())


def test_a_due_time_ten_years_ahead_does_not_walk_through_the_seconds() -> None:
    start, ten_years = shanghai("2026-03-02T09:00"), within(10 * 250 * 8 * HOUR)
    due_time(SHANGHAI, start, ten_years)
    assert quickest(lambda: due_time(SHANGHAI, start, ten_years), 0.005) < 0.005


@given(
    st.sampled_from(["Asia/Shanghai", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"]),
    st.integers(0, 60),
    st.integers(1, 200),
)
def test_where_clocks_never_change_every_day_is_as_long_as_its_hours(zone: str, skip: int, days: int) -> None:
    whole = ["00:00-24:00", "00:00-00:15", "23:45-24:00", "00:00-08:00, 16:00-24:00", "", "09:00-18:00", "12:00-13:00"]
    lengths = [24 * 60, 15, 15, 16 * 60, 0, 9 * 60, 60]
    hours = weekly(zone, dict(enumerate(whole)))
    first = date(2026, 1, 5) + timedelta(days=skip)
    start = datetime.combine(first, time(), ZoneInfo(zone))
    expected = sum(lengths[(first + timedelta(days=n)).weekday()] for n in range(days))
    assert elapsed(hours, start, start + timedelta(days=days)) == expected * MINUTE
