"""When the file of a day is expected, against a calendar that is gone through minute by minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_customer.feeds.schedule import MAX_PASSED, WEEKDAYS, Schedule
from hypothesis import given
from hypothesis import strategies as st

ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati")
SCHEDULES = st.builds(
    Schedule,
    at=st.times().map(lambda at: f"{at:%H:%M}"),
    weekdays=st.lists(st.sampled_from(WEEKDAYS), unique=True).map(tuple),
    days_later=st.integers(0, 31),
    grace_minutes=st.integers(0, 1440),
)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: FIRST + timedelta(minutes=minutes))


def on_the_wall(day: date, schedule: Schedule, zone: ZoneInfo) -> datetime:
    """The first instant at or after which clocks of the zone show the time on the day, by counting minutes."""
    wanted = datetime.combine(day + timedelta(days=schedule.days_later), datetime.min.time())
    wanted += timedelta(hours=int(schedule.at[:2]), minutes=int(schedule.at[3:]))
    instant = (wanted - timedelta(hours=15)).replace(tzinfo=UTC)
    while instant.astimezone(zone).replace(tzinfo=None) < wanted:
        instant += timedelta(minutes=1)
    return instant


@given(SCHEDULES, st.dates(date(2026, 1, 1), date(2028, 12, 1)), st.sampled_from(ZONES))
def test_a_file_is_due_when_clocks_show_its_time_and_the_grace_is_over(
    schedule: Schedule, day: date, name: str
) -> None:
    zone = ZoneInfo(name)
    due = schedule.due_time(day, zone) - timedelta(minutes=schedule.grace_minutes)
    shown = on_the_wall(day, schedule, zone)
    # Where clocks are put forward over it, it is so much later.
    assert shown <= due <= shown + timedelta(hours=1)
    assert due == shown or shown.astimezone(zone).strftime("%H:%M") != schedule.at


@given(SCHEDULES, INSTANTS, st.integers(0, 40), st.sampled_from(ZONES))
def test_each_window_that_passes_is_taken_once_however_often_it_is_looked(
    schedule: Schedule, start: datetime, hours: int, name: str
) -> None:
    zone = ZoneInfo(name)
    expected, taken = schedule.first_day(start, zone), list[date]()
    now = start
    for _ in range(6):
        now += timedelta(hours=hours)
        passed, expected = schedule.passed(expected, now, zone)
        taken += passed
        again, same = schedule.passed(expected, now, zone)
        assert (again, same) == ((), expected)
    days = [start.date() + timedelta(days=n) for n in range(-40, 20)]
    weekdays = {WEEKDAYS.index(each) for each in schedule.weekdays} or set(range(7))
    due = [each for each in days if each.weekday() in weekdays and start < schedule.due_time(each, zone) <= now]
    assert taken == due
    assert schedule.due_time(expected, zone) > now


def test_of_windows_that_passed_unseen_only_the_last_are_taken() -> None:
    schedule, zone = Schedule("06:00"), ZoneInfo("UTC")
    passed, following = schedule.passed(date(2026, 1, 1), datetime(2026, 3, 1, 7, tzinfo=UTC), zone)
    assert (len(passed), passed[-1], following) == (MAX_PASSED, date(2026, 3, 1), date(2026, 3, 2))
