from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from time import thread_time
from zoneinfo import ZoneInfo

import pytest
from crm_kit.errors import InvalidArgument
from crm_service_desk.calendars.model import (
    BusinessInterval,
    Calendar,
    DatedException,
    LocalInterval,
    parse_hours,
    weekly_calendar,
)
from crm_service_desk.service_levels.clock import business_intervals, due_time, elapsed
from crm_service_desk.service_levels.model import (
    BusinessTime,
    Pause,
    PauseReason,
    WorkingDayEnd,
    WorkingDays,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.service_desk.grid import MINUTE, Grid, odd_calendars

HOUR = 3600
NEW_YEAR = date(2026, 1, 1)
NINE_TO_SIX = parse_hours("09:00-12:00, 13:00-18:00")
SHANGHAI = weekly_calendar("Asia/Shanghai", dict.fromkeys(range(5), NINE_TO_SIX))


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def day_hours(zone: str, hours: str) -> Calendar:
    return weekly_calendar(zone, dict.fromkeys(range(7), parse_hours(hours)))


def minutes_of(intervals: list[BusinessInterval], grid: Grid) -> set[int]:
    covered: set[int] = set()
    for interval in intervals:
        start, rest = divmod(interval.start - grid.first, MINUTE)
        assert not rest
        covered |= set(range(start, (interval.end - grid.first) // MINUTE))
    return covered


minutes_near = st.integers(3 * 1440, 10 * 1440)
stops_near = st.lists(st.tuples(minutes_near, st.integers(0, 4000)), max_size=3)


@given(odd_calendars(), minutes_near, minutes_near)
def test_business_intervals_are_the_minutes_on_which_the_wall_clock_says_open(
    at: tuple[Calendar, Grid], start: int, end: int
) -> None:
    calendar, grid = at
    intervals = business_intervals(calendar, grid.at(start), grid.at(end))
    expected = grid.open_minutes(calendar) & set(range(start, end))
    assert minutes_of(intervals, grid) == expected
    assert all(a.end < b.start for a, b in pairwise(intervals))


@given(odd_calendars(), minutes_near, minutes_near, stops_near)
def test_elapsed_is_the_count_of_open_minutes_outside_pauses(
    at: tuple[Calendar, Grid], start: int, end: int, stops: list[tuple[int, int]]
) -> None:
    calendar, grid = at
    pauses = [Pause(grid.at(a), grid.at(a + n), PauseReason.CUSTOMER) for a, n in stops]
    paused = {minute for a, n in stops for minute in range(a, a + n)}
    expected = len((grid.open_minutes(calendar) & set(range(start, end))) - paused)
    assert elapsed(calendar, grid.at(start), grid.at(end), pauses) == expected * MINUTE


@given(
    odd_calendars(),
    minutes_near,
    st.integers(1, 3000),
    st.lists(st.tuples(minutes_near, st.integers(0, 4000)), max_size=3),
)
def test_a_target_is_due_at_the_first_minute_at_which_so_much_has_elapsed(
    at: tuple[Calendar, Grid], start: int, minutes: int, stops: list[tuple[int, int]]
) -> None:
    calendar, grid = at
    if not any(calendar.weekly):
        calendar = Calendar(calendar.time_zone, (NINE_TO_SIX,) * 7, calendar.exceptions)
    running = grid.open_minutes(calendar) - {minute for a, n in stops for minute in range(a, a + n)}
    pauses = [Pause(grid.at(a), grid.at(a + n), PauseReason.CUSTOMER) for a, n in stops]
    due = due_time(calendar, grid.at(start), BusinessTime(minutes * 60), pauses)
    counted, minute = 0, start
    while counted < minutes and minute < 12 * 1440:
        counted += minute in running
        minute += 1
    assert due is not None
    if counted == minutes:
        assert due == grid.at(minute)
    else:
        assert due > grid.at(minute)


instants = st.integers(0, 60 * 365 * 86400 * 10**6).map(
    lambda n: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)
)


@given(odd_calendars(), instants, instants, instants)
def test_elapsed_adds_up_to_the_microsecond_over_decades(
    at: tuple[Calendar, Grid], a: datetime, b: datetime, c: datetime
) -> None:
    calendar, _ = at
    a, b, c = sorted((a, b, c))
    assert elapsed(calendar, a, b) + elapsed(calendar, b, c) == elapsed(calendar, a, c)


@settings(max_examples=30)
@given(odd_calendars(), instants, st.integers(1, 200_000_000))
def test_a_due_time_decades_ahead_is_the_first_at_which_the_target_has_elapsed(
    at: tuple[Calendar, Grid], start: datetime, seconds: int
) -> None:
    calendar, _ = at
    calendar = Calendar(calendar.time_zone, (NINE_TO_SIX, *calendar.weekly[1:]), calendar.exceptions)
    try:
        due = due_time(calendar, start, BusinessTime(seconds))
    except InvalidArgument as error:
        assert error.reason == "CALENDAR_INVALID"
        assert elapsed(calendar, start, start + timedelta(days=49 * 365)) < timedelta(seconds=seconds)
        return
    assert due is not None
    assert elapsed(calendar, start, due) == timedelta(seconds=seconds)
    just_before = due - timedelta(microseconds=1)
    assert elapsed(calendar, start, just_before) == timedelta(seconds=seconds) - timedelta(microseconds=1)


def test_a_budget_used_up_at_closing_is_due_at_closing() -> None:
    assert due_time(SHANGHAI, shanghai("2026-03-02T09:00"), BusinessTime(8 * HOUR)) == shanghai("2026-03-02T18:00")


def test_a_start_at_night_counts_from_the_opening() -> None:
    assert due_time(SHANGHAI, shanghai("2026-03-06T20:00"), BusinessTime(HOUR)) == shanghai("2026-03-09T10:00")


def test_a_make_up_working_day_replaces_its_weekday_and_a_holiday_closes() -> None:
    golden_week = [DatedException(date(2026, 10, day)) for day in range(1, 8)]
    make_up = DatedException(date(2026, 10, 10), parse_hours("09:00-12:00"))
    calendar = Calendar("Asia/Shanghai", SHANGHAI.weekly, (*golden_week, make_up))
    start = shanghai("2026-09-30T17:00")
    assert due_time(calendar, start, BusinessTime(2 * HOUR)) == shanghai("2026-10-08T10:00")
    assert due_time(calendar, start, BusinessTime(18 * HOUR)) == shanghai("2026-10-10T10:00")


def test_hours_to_midnight_and_from_midnight_are_one_interval() -> None:
    round_the_clock = day_hours("Europe/Berlin", "00:00-24:00")
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert business_intervals(round_the_clock, start, end) == [BusinessInterval(start, end)]


def test_a_skipped_hour_is_lost_and_a_repeated_one_gained() -> None:
    night = day_hours("America/New_York", "00:00-06:00")
    for day, hours in ((date(2026, 3, 7), 6), (date(2026, 3, 8), 5), (date(2026, 11, 1), 7)):
        noon = datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
        assert elapsed(night, noon - timedelta(hours=18), noon) == timedelta(hours=hours)


def test_opening_in_the_gap_moves_forward_by_the_gap_and_an_interval_emptied_by_it_drops_out() -> None:
    start, end = datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)
    moved = business_intervals(day_hours("America/New_York", "02:30-05:00"), start, end)
    assert moved == [BusinessInterval(datetime(2026, 3, 8, 7, 30, tzinfo=UTC), datetime(2026, 3, 8, 9, tzinfo=UTC))]
    assert business_intervals(day_hours("America/New_York", "02:30-03:15"), start, end) == []


def test_opening_at_a_repeated_time_takes_its_first_occurrence() -> None:
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    once = business_intervals(day_hours("America/New_York", "01:15-01:45"), start, end)
    assert once == [
        BusinessInterval(datetime(2026, 11, 1, 5, 15, tzinfo=UTC), datetime(2026, 11, 1, 5, 45, tzinfo=UTC))
    ]


@pytest.mark.parametrize(
    ("start", "days", "end", "due"),
    [
        ("2026-03-02T10:30", 1, WorkingDayEnd.CLOSE_OF_DAY, "2026-03-03T18:00"),
        ("2026-03-06T20:00", 2, WorkingDayEnd.CLOSE_OF_DAY, "2026-03-10T18:00"),
        ("2026-03-07T10:00", 1, WorkingDayEnd.CLOSE_OF_DAY, "2026-03-09T18:00"),
        ("2026-03-02T10:30", 3, WorkingDayEnd.SAME_TIME, "2026-03-05T10:30"),
        ("2026-03-02T09:00", 1, WorkingDayEnd.SAME_TIME, "2026-03-03T09:00"),
        ("2026-03-06T10:30", 1, WorkingDayEnd.SAME_TIME, "2026-03-09T10:30"),
        ("2026-03-07T10:30", 1, WorkingDayEnd.SAME_TIME, "2026-03-10T09:00"),
    ],
)
def test_a_target_of_working_days_ends_where_the_policy_says(
    start: str, days: int, end: WorkingDayEnd, due: str
) -> None:
    assert due_time(SHANGHAI, shanghai(start), WorkingDays(days, end)) == shanghai(due)


def test_a_pause_gives_a_target_of_working_days_back_what_it_took() -> None:
    pause = Pause(shanghai("2026-03-02T17:00"), shanghai("2026-03-03T10:00"), PauseReason.CUSTOMER)
    target = WorkingDays(2)
    assert due_time(SHANGHAI, shanghai("2026-03-02T10:00"), target, [pause]) == shanghai("2026-03-05T11:00")


def test_a_pause_without_an_end_leaves_no_due_time() -> None:
    pause = Pause(shanghai("2026-03-02T11:00"), None, PauseReason.CUSTOMER)
    start = shanghai("2026-03-02T09:00")
    assert due_time(SHANGHAI, start, BusinessTime(3 * HOUR), [pause]) is None
    assert due_time(SHANGHAI, start, BusinessTime(2 * HOUR), [pause]) == shanghai("2026-03-02T11:00")


@pytest.mark.parametrize("target", [BusinessTime(1), WorkingDays(1)])
def test_a_calendar_that_never_opens_is_refused_when_it_is_asked(target: BusinessTime | WorkingDays) -> None:
    only_once = Calendar("Asia/Shanghai", ((),) * 7, (DatedException(date(2026, 1, 5), NINE_TO_SIX),))
    before, after = shanghai("2026-01-01T00:00"), shanghai("2026-01-06T00:00")
    assert due_time(only_once, before, target) is not None
    with pytest.raises(InvalidArgument, match="too little business time") as refused:
        due_time(only_once, after, target)
    assert refused.value.reason == "CALENDAR_INVALID"


def test_a_due_time_ten_years_ahead_does_not_walk_through_the_seconds() -> None:
    start = shanghai("2026-03-02T09:00")
    ten_years = BusinessTime(10 * 250 * 8 * HOUR)
    due_time(SHANGHAI, start, ten_years)
    began = thread_time()
    for _ in range(100):
        due_time(SHANGHAI, start, ten_years)
    # Time of the processor, which a machine that is busy with something else does not lengthen.
    assert (thread_time() - began) / 100 < 0.005


@pytest.mark.parametrize(
    ("zone", "weekly", "exceptions", "field", "value"),
    [
        ("Mars/Olympus", ((),) * 7, (), "time_zone", "Mars/Olympus"),
        ("../etc/passwd", ((),) * 7, (), "time_zone", "../etc/passwd"),
        ("America", ((),) * 7, (), "time_zone", "America"),
        ("UTC", ((),) * 6, (), "weekly", "6 days"),
        ("UTC", ((LocalInterval(540, 720), LocalInterval(660, 800)), *((),) * 6), (), "weekly[0][1]", "11:00-13:20"),
        ("UTC", ((LocalInterval(540, 540),), *((),) * 6), (), "weekly[0][0]", "09:00-09:00"),
        ("UTC", ((LocalInterval(540, 1441),), *((),) * 6), (), "weekly[0][0]", "09:00-24:01"),
        ("UTC", ((),) * 7, (DatedException(NEW_YEAR),) * 2, "exceptions[1].date", "2026-01-01"),
        (
            "UTC",
            ((),) * 7,
            (DatedException(date(2026, 1, 1), (LocalInterval(9, 3),)),),
            "exceptions[0].hours[0]",
            "00:09",
        ),
    ],
)
def test_a_calendar_that_cannot_be_used_is_refused_with_field_and_value(
    zone: str,
    weekly: tuple[tuple[LocalInterval, ...], ...],
    exceptions: tuple[DatedException, ...],
    field: str,
    value: str,
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Calendar(zone, weekly, exceptions)
    assert refused.value.reason == "CALENDAR_INVALID"
    assert [violation.field for violation in refused.value.violations] == [f"calendar.{field}"]
    assert value in refused.value.detail


@pytest.mark.parametrize(
    "text", ["9:00-10:00", "09:00", "09:00-24:30", "09:60-10:00", "09:00-10:00,09:30-11:00", "１0:00-11:00"]
)
def test_hours_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_hours(text)
    assert refused.value.reason == "CALENDAR_INVALID"


def test_hours_are_read_in_any_order() -> None:
    assert parse_hours("13:00-24:00, 00:00-12:00") == (LocalInterval(0, 720), LocalInterval(780, 1440))


@given(
    st.sampled_from(["Asia/Shanghai", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"]),
    st.integers(0, 60),
    st.integers(1, 200),
)
def test_where_clocks_never_change_every_day_is_as_long_as_its_hours(zone: str, skip: int, days: int) -> None:
    whole = ["00:00-24:00", "00:00-00:15", "23:45-24:00", "00:00-08:00, 16:00-24:00", "", "09:00-18:00", "12:00-13:00"]
    lengths = [24 * 60, 15, 15, 16 * 60, 0, 9 * 60, 60]
    calendar = weekly_calendar(zone, {weekday: parse_hours(hours) for weekday, hours in enumerate(whole)})
    first = date(2026, 1, 5) + timedelta(days=skip)
    start = datetime.combine(first, time(), ZoneInfo(zone))
    expected = sum(lengths[(first + timedelta(days=n)).weekday()] for n in range(days))
    assert elapsed(calendar, start, start + timedelta(days=days)) == expected * MINUTE
