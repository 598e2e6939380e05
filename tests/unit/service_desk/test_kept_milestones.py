"""What is kept of milestones between events, against the clock that replays the log."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from crm_kit.working_time.model import DayHours, Hours, Weekday
from crm_service_desk.calendars.model import Calendar
from crm_service_desk.cases.milestones import TimerLevel, keep, moved_timers, timers_of
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.milestones import Milestone, MilestoneState
from crm_service_desk.service_levels.model import MilestoneKind, PauseReason, Target
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.service_desk.counting import HOUR, policy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICY = policy(
    {
        MilestoneKind.FIRST_RESPONSE: Target(business_minutes=HOUR),
        MilestoneKind.RESOLUTION: Target(business_minutes=4 * HOUR),
    }
)
CREATED = Fact(NOON, FactKind.CREATED)
KINDS = [
    FactKind.PUBLIC_REPLY,
    FactKind.PAUSED,
    FactKind.CUSTOMER_MESSAGE,
    FactKind.RESOLVED,
    FactKind.REOPENED,
    FactKind.CANCELLED,
]


def every_day(*hours: Hours) -> tuple[DayHours, ...]:
    return tuple(DayHours(weekday, hours) for weekday in Weekday)


ALWAYS = Calendar(
    id=UUID(int=7),
    display_name="always",
    time_zone="UTC",
    weekly=every_day(Hours("00:00", "24:00")),
    create_time=NOON,
    update_time=NOON,
)
AFTERNOONS = replace(ALWAYS, weekly=every_day(Hours("12:00", "24:00")), version=2)


def fact(minutes: int, kind: FactKind) -> Fact:
    reason = PauseReason.CUSTOMER if kind is FactKind.PAUSED else None
    return Fact(NOON + timedelta(minutes=minutes), kind, reason)


def counted(
    log: list[Fact], now: datetime, before: tuple[Milestone, ...] = (), calendar: Calendar = ALWAYS
) -> tuple[Milestone, ...]:
    return keep(before, evaluate(calendar.business_hours, POLICY, log, now), calendar)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 120), st.sampled_from(KINDS)), max_size=8),
    st.integers(0, 600),
)
def test_what_is_kept_says_at_any_time_what_a_replay_says(steps: list[tuple[int, FactKind]], wait: int) -> None:
    """Oracle: the clock itself, asked at that time."""
    log, minutes = [CREATED], 0
    kept = counted(log, NOON)
    for step, kind in steps:
        minutes += step
        log = [*log, fact(minutes, kind)]
        kept = counted(log, NOON + timedelta(minutes=minutes), kept)
    now = NOON + timedelta(minutes=minutes + wait)
    shown = {each.kind: (each.at(now).state, each.at(now).breach_time) for each in kept}
    replayed = evaluate(ALWAYS.business_hours, POLICY, log, now)
    assert shown == {each.kind: (each.state, each.breach_time) for each in replayed}


def test_a_clock_that_has_ended_keeps_the_calendar_that_judged_it() -> None:
    log = [CREATED, fact(30, FactKind.PUBLIC_REPLY)]
    now = NOON + timedelta(minutes=60)
    kept = counted(log, now)
    again = counted(log, now, kept, AFTERNOONS)
    assert [each.calendar_version for each in again] == [1, 2]
    assert again[0] == kept[0]


def test_a_breach_stays_the_first_one_under_an_easier_calendar() -> None:
    late = NOON + timedelta(hours=14)
    kept = counted([CREATED], late)
    again = counted([CREATED], late, kept, AFTERNOONS)
    assert [each.state for each in again] == [MilestoneState.MISSED] * 2
    assert [each.breach_time for each in again] == [NOON + timedelta(hours=1), NOON + timedelta(hours=4)]


def test_a_pause_and_an_end_take_timers_away() -> None:
    running = counted([CREATED], NOON)
    log = [CREATED, fact(10, FactKind.PAUSED)]
    paused = counted(log, NOON + timedelta(minutes=10), running)
    moved = moved_timers(timers_of(running), timers_of(paused))
    assert {*moved} == {(MilestoneKind.RESOLUTION, level) for level in TimerLevel}
    assert [timers_of(paused)[timer] for timer in moved] == [None, None]
