"""When a rule is due that goes by the calendar. Pure: on days, times of day and zones.

Most are due once on a day. Only a date that has a time of day itself, and goes by it, is due at any instant: its rule
takes one span of time after the other.
"""

from calendar import isleap, monthrange
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_kit.automation.rules.model import DateReached, Every, Schedule, Weekday
from crm_kit.filtering.tree import And, Comparison, Field, FieldType, Filter, OneOf, Operator
from crm_kit.filtering.words import midnight

Timing = DateReached | Schedule
# What was due while nobody looked is done late; what was due longer ago is not.
MAX_LATE = timedelta(days=31)
# A date is looked for so long after it was reached: what was being saved then is there by then.
SETTLING = timedelta(seconds=10)
# How often it is looked for dates that go by their own time of day.
EVERY = timedelta(seconds=30)
FIRST_YEAR = 1900
DAY = timedelta(days=1)
WEEKDAYS = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class Timer:
    """When a rule is looked at next, and how far it has come.

    Of what is due on days: `day` is the one that is due at `due_time`. Of what is due at any instant: all until
    `since_time` is done, and `until_time` is where the span ends that is under way. `after_id` is the last record that
    was taken of the day or span, `taken` how many were.
    """

    rule_id: UUID
    due_time: datetime
    day: date | None = None
    since_time: datetime | None = None
    until_time: datetime | None = None
    after_id: UUID | None = None
    taken: int = 0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now: a day and the instant when it was, or what is due from one instant to another, that included."""

    time: datetime
    day: date | None = None
    since: datetime | None = None


def is_exact(timing: Timing) -> bool:
    """Whether it goes by the time of day that a record has itself."""
    return isinstance(timing, DateReached) and not timing.at


def first_timer(rule_id: UUID, timing: Timing, *, now: datetime, zone: ZoneInfo) -> Timer:
    """The timer of a rule that is active from now on."""
    if is_exact(timing):
        return Timer(rule_id, now + SETTLING, since_time=now)
    day = first_day_after(timing, now, zone)
    return Timer(rule_id, looked_for(timing, instant_of(timing, day, zone)), day=day)


def due_now(timing: Timing, timer: Timer, *, now: datetime, zone: ZoneInfo) -> Due | None:
    """What a timer takes now; None when that is nothing yet, as when the tenant has moved to another zone."""
    if is_exact(timing):
        until = timer.until_time or now - SETTLING
        assert timer.since_time is not None
        since = max(timer.since_time, until - MAX_LATE)
        return Due(until, since=since) if until > since else None
    assert timer.day is not None
    day = timer.day if timer.after_id else caught_up(timing, timer.day, now=now, zone=zone)
    instant = instant_of(timing, day, zone)
    return Due(instant, day) if looked_for(timing, instant) <= now else None


def caught_up(timing: Timing, day: date, *, now: datetime, zone: ZoneInfo) -> date:
    """The day to go on with where several have passed: each that is not too long ago, of schedules the last."""
    today = now.astimezone(zone).date()
    if isinstance(timing, DateReached):
        return max(day, today - MAX_LATE)
    passed = (today - n * DAY for n in range((today - day).days))
    return next((each for each in passed if is_on(timing, each) and instant_of(timing, each, zone) <= now), day)


def later(timing: Timing, timer: Timer, due: Due | None, *, now: datetime, zone: ZoneInfo) -> Timer:
    """The timer once all that was due is done; of nothing that was due when it is next."""
    if is_exact(timing):
        since = timer.since_time if due is None else due.time
        return Timer(timer.rule_id, now + EVERY, since_time=since, turn=timer.turn + 1)
    assert timer.day is not None
    day = timer.day if due is None or due.day is None else next_day(timing, due.day)
    looked = looked_for(timing, instant_of(timing, day, zone))
    return Timer(timer.rule_id, looked, day=day, turn=timer.turn + 1)


def under_way(timer: Timer, due: Due, after_id: UUID, taken: int) -> Timer:
    """The timer after some of the records that are due."""
    until = due.time if due.day is None else None
    return replace(
        timer, day=due.day, until_time=until, after_id=after_id, taken=timer.taken + taken, turn=timer.turn + 1
    )


def put_off(timer: Timer, until: datetime) -> Timer:
    """The timer, which is looked at later."""
    return replace(timer, due_time=until, turn=timer.turn + 1)


# --- days


def instant_of(timing: Timing, day: date, zone: ZoneInfo) -> datetime:
    """When it is due on a day, in UTC.

    Where clocks are put forward over that time, so much later; where it comes twice, at the first (RFC 5545, 3.3.5).
    """
    return datetime.combine(day, time.fromisoformat(timing.at), zone).astimezone(UTC)


def looked_for(timing: Timing, instant: datetime) -> datetime:
    """When it is looked for what is due at an instant."""
    return instant + SETTLING if isinstance(timing, DateReached) else instant


def is_on(timing: Timing, day: date) -> bool:
    """Whether anything can be due on a day."""
    if isinstance(timing, DateReached) or timing.every is Every.DAILY:
        return True
    if timing.every is Every.WEEKLY:
        return WEEKDAYS[day.weekday()] in timing.weekdays
    return day.day == min(timing.day_of_month, monthrange(day.year, day.month)[1])


def next_day(timing: Timing, day: date) -> date:
    """The next day after another on which anything can be due."""
    return next(each for n in count(1) if is_on(timing, each := day + n * DAY))


def first_day_after(timing: Timing, instant: datetime, zone: ZoneInfo) -> date:
    """The first day that is due after an instant."""
    day = instant.astimezone(zone).date() - 2 * DAY
    while instant_of(timing, day := next_day(timing, day), zone) <= instant:
        pass
    return day


# --- records


def condition(timing: DateReached, field: Field, due: Due, zone: ZoneInfo) -> Filter:
    """Which records a rule takes by their date."""
    offset = timedelta(days=timing.offset_days)
    if due.day is None:
        assert due.since is not None
        span = offset + timedelta(minutes=timing.offset_minutes)
        return between(field, Operator.GREATER, due.since - span, Operator.AT_MOST, due.time - span)
    day = due.day - offset
    if field.type is FieldType.INSTANT:
        return between(field, Operator.AT_LEAST, midnight(day, zone), Operator.LESS, midnight(day + DAY, zone))
    return OneOf(field, tuple(same_days(day))) if timing.every_year else Comparison(field, Operator.EQUAL, day)


def between(field: Field, low: Operator, least: datetime, high: Operator, most: datetime) -> Filter:
    """From one instant to another."""
    return And((Comparison(field, low, least), Comparison(field, high, most)))


def same_days(day: date) -> list[date]:
    """A day, and those of the years before that people mark on it: 29 February on the 28th where there is none."""
    found = [date(year, day.month, day.day) for year in range(FIRST_YEAR, day.year + 1) if has_day(year, day)]
    if (day.month, day.day) == (2, 28) and not isleap(day.year):
        found += [date(year, 2, 29) for year in range(FIRST_YEAR, day.year + 1) if isleap(year)]
    return found


def has_day(year: int, day: date) -> bool:
    """Whether a year has the day: all but 29 February are in each."""
    return (day.month, day.day) != (2, 29) or isleap(year)


def is_marked(day: date, value: date) -> bool:
    """Whether people mark a date on a day: the same in another year, or 29 February on the 28th where there is none."""
    same = (day.month, day.day) == (value.month, value.day)
    return same or (not isleap(day.year) and (day.month, day.day) == (2, 28) and (value.month, value.day) == (2, 29))


def next_due_time(timing: DateReached, value: date | datetime, *, now: datetime, zone: ZoneInfo) -> datetime:
    """When a record with this date is due, or was; of one that comes each year, when it is next.

    OverflowError for dates at the ends of time.
    """
    if not timing.every_year:
        return due_time_of(timing, value, zone)
    born = value.astimezone(zone).date() if isinstance(value, datetime) else value
    offset = timedelta(days=timing.offset_days)
    day = max(first_day_after(timing, now, zone), born + offset)
    while not is_marked(day - offset, born):
        day += DAY
    return instant_of(timing, day, zone)


def due_time_of(timing: DateReached, value: date | datetime, zone: ZoneInfo) -> datetime:
    """When a record with this date is due, whether it comes each year or not.

    OverflowError for dates at the ends of time.
    """
    offset = timedelta(days=timing.offset_days)
    if not timing.at:
        assert isinstance(value, datetime)
        return value + offset + timedelta(minutes=timing.offset_minutes)
    day = value.astimezone(zone).date() if isinstance(value, datetime) else value
    return instant_of(timing, day + offset, zone)
