"""Time as a grid of minutes: slow, obvious, and knowing nothing of the code under test."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from crm_kit.working_time.business_hours import BusinessHours, DayIntervals, LocalInterval
from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)
DAYS_BEFORE, DAYS_AFTER = 5, 9

# Zones with the local date of something odd: skipped and repeated hours, half hours, midnights, a whole day.
ODD_DATES = [
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Asia/Shanghai", date(2026, 10, 1)),
    ("Asia/Shanghai", date(1991, 4, 14)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("Pacific/Apia", date(2011, 12, 30)),
]


class Grid:
    """Fourteen days around an odd date, minute by minute."""

    def __init__(self, zone: str, odd: date) -> None:
        noon = datetime(odd.year, odd.month, odd.day, 12, tzinfo=UTC)
        self.first = noon - timedelta(days=DAYS_BEFORE)
        minutes = (DAYS_BEFORE + DAYS_AFTER) * 24 * 60
        tz = ZoneInfo(zone)
        self.walls = [(self.first + n * MINUTE).astimezone(tz).replace(tzinfo=None, fold=0) for n in range(minutes)]
        self.first_showing: dict[datetime, int] = {}
        for n, wall in enumerate(self.walls):
            self.first_showing.setdefault(wall, n)

    def minute_showing(self, wall: datetime) -> int:
        """The first minute at which clocks on the wall show this; one they skip moves on by the gap."""
        if wall in self.first_showing:
            return self.first_showing[wall]
        for n in range(1, len(self.walls)):
            before, after = self.walls[n - 1], self.walls[n]
            if before < wall < after:
                return self.first_showing[wall + (after - before - MINUTE)]
        raise AssertionError(f"{wall} lies outside the grid")

    def open_minutes(self, calendar: BusinessHours) -> set[int]:
        minutes: set[int] = set()
        day = self.walls[0].date() + timedelta(days=1)
        while day < self.walls[-1].date() - timedelta(days=1):
            for interval in hours_of(calendar, day):
                midnight = datetime.combine(day, time())
                opens = self.minute_showing(midnight + interval.opens * MINUTE)
                closes = self.minute_showing(midnight + interval.closes * MINUTE)
                minutes |= set(range(opens, closes))
            day += timedelta(days=1)
        return minutes

    def at(self, minute: int) -> datetime:
        return self.first + minute * MINUTE


def hours_of(calendar: BusinessHours, day: date) -> DayIntervals:
    for exceptional, hours in calendar.exceptions:
        if exceptional == day:
            return hours
    return calendar.weekly[day.weekday()]


@lru_cache
def grid_of(zone: str, odd: date) -> Grid:
    return Grid(zone, odd)


@st.composite
def hours(draw: st.DrawFn) -> DayIntervals:
    """Hours of a day that favour the small hours, where clocks change; neighbours may touch."""
    point = st.one_of(st.integers(0, 16).map(lambda n: n * 15), st.integers(0, 96).map(lambda n: n * 15))
    cuts = sorted(draw(st.sets(point, max_size=6)))
    pieces = [LocalInterval(a, b) for a, b in pairwise(cuts)]
    kept = [piece for piece in pieces if draw(st.booleans())]
    return tuple(draw(st.permutations(kept)))


@st.composite
def odd_hours(draw: st.DrawFn) -> tuple[BusinessHours, Grid]:
    zone, odd = draw(st.sampled_from(ODD_DATES))
    near = [odd + timedelta(days=n) for n in range(-2, 4)]
    dated = draw(st.dictionaries(st.sampled_from(near), hours(), max_size=3))
    weekly = tuple(draw(hours()) for _ in range(7))
    return BusinessHours(zone, weekly, tuple(dated.items())), grid_of(zone, odd)
