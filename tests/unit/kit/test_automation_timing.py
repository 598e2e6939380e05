"""When rules are due that go by the calendar: beside an oracle that looks at each minute of the clock on the wall."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from crm_kit.automation.rules.model import DateReached, Every, Schedule, Weekday
from crm_kit.automation.timing.model import (
    MAX_LATE,
    Timing,
    caught_up,
    due_now,
    due_time_of,
    first_day_after,
    first_timer,
    instant_of,
    later,
    next_due_time,
    same_days,
)
from crm_kit.ids import new_id
from hypothesis import given
from hypothesis import strategies as st

# Clocks that are put forward and back, by an hour, by half an hour, at midnight, and over a whole day.
ZONES = [
    ZoneInfo(name)
    for name in (
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Havana",
        "Pacific/Apia",
        "Asia/Kathmandu",
    )
]
TIMES = st.builds(time, st.integers(0, 23), st.integers(0, 59))
INSTANTS = st.datetimes(*map(datetime.fromisoformat, ("2011-01-01", "2030-01-01")), timezones=st.just(UTC))
MINUTE = timedelta(minutes=1)


def on_the_wall(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The first minute in which clocks show the time on that day, from whole minutes of UTC one after the other."""
    minute = datetime.combine(day, time(), UTC) - timedelta(hours=26)
    for _ in range(3 * 24 * 60):
        shown = minute.astimezone(zone)
        if (shown.date(), shown.hour, shown.minute) == (day, at.hour, at.minute):
            return minute
        minute += MINUTE
    # Clocks never show it: so long after they were put forward as it would have been after that.
    return on_the_wall_before(day, at, zone)


def on_the_wall_before(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When clocks that nobody puts forward would show a time that is left out."""
    wanted = datetime.combine(day, at)
    minute = datetime.combine(day, time(), UTC) - timedelta(hours=26)
    while minute.astimezone(zone).replace(tzinfo=None) < wanted:
        last, minute = minute, minute + MINUTE
    return last + (wanted - last.astimezone(zone).replace(tzinfo=None))


@given(st.dates(date(2011, 1, 1), date(2030, 1, 1)), TIMES, st.sampled_from(ZONES))
def test_a_time_of_day_is_when_clocks_show_it_first_or_would_have(day: date, at: time, zone: ZoneInfo) -> None:
    timing = Schedule(Every.DAILY, f"{at:%H:%M}")
    assert instant_of(timing, day, zone) == on_the_wall(day, at, zone)


def days_of(timing: Schedule, first: date, last: date) -> list[date]:
    """The days of a schedule, each asked by itself."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    match timing.every:
        case Every.DAILY:
            return days
        case Every.WEEKLY:
            return [day for day in days if f"{day:%A}".upper() in timing.weekdays]
    # The last of those days of the month that are not after the one that is wanted.
    months = sorted({(day.year, day.month) for day in days})
    wanted = [max(day for day in days_in(*month) if day.day <= timing.day_of_month) for month in months]
    return [day for day in wanted if first <= day <= last]


def days_in(year: int, month: int) -> list[date]:
    first = date(year, month, 1)
    days = [first + timedelta(days=n) for n in range(31)]
    return [day for day in days if day.month == month]


SCHEDULES = st.one_of(
    st.builds(Schedule, st.just(Every.DAILY), TIMES.map("{:%H:%M}".format)),
    st.builds(
        Schedule,
        st.just(Every.WEEKLY),
        TIMES.map("{:%H:%M}".format),
        st.sets(st.sampled_from(list(Weekday)), min_size=1).map(tuple),
    ),
    st.builds(Schedule, st.just(Every.MONTHLY), TIMES.map("{:%H:%M}".format), st.just(()), st.integers(1, 31)),
)


@given(SCHEDULES, INSTANTS, st.sampled_from(ZONES), st.lists(st.integers(1, 40 * 24 * 60), min_size=1, max_size=8))
def test_a_schedule_is_done_once_for_each_day_that_somebody_looks_at_and_the_last_of_those_missed(
    timing: Schedule, now: datetime, zone: ZoneInfo, looks: list[int]
) -> None:
    began, done, timer = now, list[date](), first_timer(new_id(), timing, now=now, zone=zone)
    seen = now
    for minutes in looks:
        now += minutes * MINUTE
        passed = [
            day
            for day in days_of(timing, (seen - timedelta(days=3)).date(), (now + timedelta(days=3)).date())
            if seen < instant_of(timing, day, zone) <= now
        ]
        before = len(done)
        while timer.due_time <= now:
            due = due_now(timing, timer, now=now, zone=zone)
            assert due is not None
            assert due.day is not None
            done.append(due.day)
            timer = later(timing, timer, due, now=now, zone=zone)
        assert done[before:] == passed[-1:]
        seen = now
    assert done == sorted(set(done))
    assert all(instant_of(timing, day, zone) > began for day in done)


@given(INSTANTS, TIMES, st.sampled_from(ZONES), st.lists(st.integers(1, 20 * 24 * 60), min_size=1, max_size=8))
def test_each_day_of_a_date_is_done_once_also_late(now: datetime, at: time, zone: ZoneInfo, looks: list[int]) -> None:
    timing, began = DateReached("due_date", at=f"{at:%H:%M}"), now
    done, timer = [], first_timer(new_id(), timing, now=now, zone=zone)
    for minutes in looks:
        now += minutes * MINUTE
        while timer.due_time <= now:
            due = due_now(timing, timer, now=now, zone=zone)
            assert due is not None
            done.append(due.day)
            timer = later(timing, timer, due, now=now, zone=zone)
    days = [(began + timedelta(days=n)).date() for n in range(-3, (now - began).days + 3)]
    settled = now - timedelta(seconds=10)
    assert done == [day for day in days if began < instant_of(timing, day, zone) <= settled]


@given(INSTANTS, st.lists(st.integers(1, 60 * 24 * 60), min_size=1, max_size=8))
def test_spans_of_time_follow_one_another_without_a_gap_but_what_is_too_long_ago(
    now: datetime, looks: list[int]
) -> None:
    timing, zone, began = DateReached("update_time", offset_days=3), ZONES[0], now
    timer, end = first_timer(new_id(), timing, now=now, zone=zone), now
    for minutes in looks:
        now += minutes * MINUTE
        due = due_now(timing, timer, now=now, zone=zone)
        assert due is not None
        assert due.since == max(end, due.time - MAX_LATE)
        assert due.time == now - timedelta(seconds=10)
        timer, end = later(timing, timer, due, now=now, zone=zone), due.time
    assert end > began


@pytest.mark.parametrize(
    ("day", "years"),
    [
        (date(2027, 2, 28), {(2, 28): 128, (2, 29): 31}),
        (date(2028, 2, 28), {(2, 28): 129}),
        (date(2028, 2, 29), {(2, 29): 32}),
        (date(2027, 7, 1), {(7, 1): 128}),
    ],
)
def test_birthdays_on_29_february_are_kept_on_the_28th_where_there_is_none(
    day: date, years: dict[tuple[int, int], int]
) -> None:
    found = [(each.month, each.day) for each in same_days(day)]
    assert {each: found.count(each) for each in set(found)} == years


@given(
    st.datetimes(*map(datetime.fromisoformat, ("2015-01-01", "2030-01-01"))),
    st.sampled_from(ZONES),
    st.integers(-90, 90),
    TIMES,
)
def test_a_record_is_due_on_the_day_whose_turn_takes_it(
    value: datetime, zone: ZoneInfo, offset_days: int, at: time
) -> None:
    timing = DateReached("due_date", offset_days=offset_days, at=f"{at:%H:%M}")
    due = due_time_of(timing, value.date(), zone)
    day = value.date() + timedelta(days=offset_days)
    assert due == instant_of(timing, day, zone)
    assert first_day_after(timing, due - timedelta(seconds=1), zone) in (day, day - timedelta(days=1))
    assert due_time_of(timing, value.replace(tzinfo=zone), zone) == due


def test_a_tenant_that_moves_to_a_later_zone_waits_for_its_own_morning() -> None:
    timing, east, west = Schedule(Every.DAILY, "09:00"), ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/London")
    now = datetime(2027, 1, 10, 0, 0, tzinfo=UTC)
    timer = first_timer(new_id(), timing, now=now, zone=east)
    assert timer.due_time == datetime(2027, 1, 10, 1, 0, tzinfo=UTC)
    now = timer.due_time
    assert due_now(timing, timer, now=now, zone=west) is None
    assert later(timing, timer, None, now=now, zone=west).due_time == datetime(2027, 1, 10, 9, 0, tzinfo=UTC)


def test_what_is_due_goes_on_where_it_was_left() -> None:
    timing: Timing = Schedule(Every.DAILY, "09:00")
    now, zone = datetime(2027, 1, 10, 12, 0, tzinfo=UTC), ZoneInfo("UTC")
    assert caught_up(timing, date(2027, 1, 5), now=now, zone=zone) == date(2027, 1, 10)
    assert caught_up(timing, date(2027, 1, 11), now=now, zone=zone) == date(2027, 1, 11)
    assert caught_up(DateReached("x", at="09:00"), date(2026, 1, 5), now=now, zone=zone) == date(2026, 12, 10)


@given(st.dates(date(1930, 1, 1), date(2010, 1, 1)), INSTANTS, st.sampled_from(ZONES), st.integers(-30, 30))
def test_a_birthday_is_next_on_the_first_day_whose_turn_takes_it(
    birthday: date, now: datetime, zone: ZoneInfo, offset_days: int
) -> None:
    timing = DateReached("birth_date", offset_days=offset_days, at="09:00", every_year=True)
    time = next_due_time(timing, birthday, now=now, zone=zone)
    days = [(now + timedelta(days=n)).date() for n in range(-2, 370)]
    taking = [day for day in days if birthday in same_days(day - timedelta(days=offset_days))]
    assert time == min(found for day in taking if (found := instant_of(timing, day, zone)) > now)


@given(INSTANTS, st.sampled_from(ZONES), TIMES)
def test_early_on_a_monday_is_that_monday_wherever_it_is_and_whatever_clocks_do(
    now: datetime, zone: ZoneInfo, at: time
) -> None:
    timing = Schedule(Every.WEEKLY, f"{at:%H:%M}", (Weekday.MONDAY,))
    timer = first_timer(new_id(), timing, now=now, zone=zone)
    shown = timer.due_time.astimezone(zone)
    assert timer.day is not None
    assert timer.day.isoweekday() == 1
    assert timer.due_time == on_the_wall(timer.day, at, zone)
    # Where clocks are put forward over midnight it is early on the day that begins then.
    assert shown.date() in {timer.day, timer.day + timedelta(days=1)}
    assert timedelta(0) < timer.due_time - now <= timedelta(days=7, hours=2)
