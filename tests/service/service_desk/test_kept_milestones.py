"""What is kept of milestones between events, against the clock that replays the log."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from crm_service_desk.calendars.model import parse_hours, weekly_calendar
from crm_service_desk.cases.milestones import KeptMilestone, TimerLevel, keep, moved_timers, timers_of
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.model import (
    BusinessTime,
    CaseEvent,
    CaseEventKind,
    MilestoneKind,
    MilestoneState,
    PauseReason,
    ServiceLevelPolicy,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CALENDAR = UUID(int=7)
ALWAYS = weekly_calendar("UTC", dict.fromkeys(range(7), parse_hours("00:00-24:00")))
HALF_DAYS = weekly_calendar("UTC", dict.fromkeys(range(7), parse_hours("12:00-24:00")))
POLICY = ServiceLevelPolicy(
    targets={MilestoneKind.FIRST_RESPONSE: BusinessTime(3600), MilestoneKind.RESOLUTION: BusinessTime(4 * 3600)}
)
CREATED = CaseEvent(NOON, CaseEventKind.CREATED)
KINDS = [
    CaseEventKind.PUBLIC_REPLY,
    CaseEventKind.PAUSED,
    CaseEventKind.CUSTOMER_MESSAGE,
    CaseEventKind.RESOLVED,
    CaseEventKind.REOPENED,
    CaseEventKind.CANCELLED,
]


def event(minutes: int, kind: CaseEventKind) -> CaseEvent:
    reason = PauseReason.CUSTOMER if kind is CaseEventKind.PAUSED else None
    return CaseEvent(NOON + timedelta(minutes=minutes), kind, reason)


def counted(
    log: list[CaseEvent], now: datetime, before: tuple[KeptMilestone, ...] = (), version: int = 1
) -> tuple[KeptMilestone, ...]:
    calendar = ALWAYS if version == 1 else HALF_DAYS
    return keep(before, evaluate(calendar, POLICY, log, now), calendar_id=CALENDAR, calendar_version=version)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 120), st.sampled_from(KINDS)), max_size=8),
    st.integers(0, 600),
)
def test_what_is_kept_says_at_any_time_what_a_replay_says(steps: list[tuple[int, CaseEventKind]], wait: int) -> None:
    """Oracle: the clock itself, asked at that time."""
    log, minutes = [CREATED], 0
    kept = counted(log, NOON)
    for step, kind in steps:
        minutes += step
        log = [*log, event(minutes, kind)]
        kept = counted(log, NOON + timedelta(minutes=minutes), kept)
    now = NOON + timedelta(minutes=minutes + wait)
    shown = {each.kind: (each.at(now).state, each.at(now).breach_time) for each in kept}
    assert shown == {each.kind: (each.state, each.breach_time) for each in evaluate(ALWAYS, POLICY, log, now)}


def test_a_clock_that_has_ended_keeps_the_calendar_that_judged_it() -> None:
    log = [CREATED, event(30, CaseEventKind.PUBLIC_REPLY)]
    now = NOON + timedelta(minutes=60)
    kept = counted(log, now)
    again = counted(log, now, kept, version=2)
    assert [each.calendar_version for each in again] == [1, 2]
    assert again[0] == kept[0]


def test_a_breach_stays_the_first_one_under_an_easier_calendar() -> None:
    late = NOON + timedelta(hours=14)
    kept = counted([CREATED], late)
    again = counted([CREATED], late, kept, version=2)
    assert [each.state for each in again] == [MilestoneState.MISSED] * 2
    assert [each.breach_time for each in again] == [NOON + timedelta(hours=1), NOON + timedelta(hours=4)]


def test_a_pause_and_an_end_take_timers_away() -> None:
    running = counted([CREATED], NOON)
    log = [CREATED, event(10, CaseEventKind.PAUSED)]
    paused = counted(log, NOON + timedelta(minutes=10), running)
    moved = moved_timers(timers_of(running), timers_of(paused))
    assert {*moved} == {(MilestoneKind.RESOLUTION, level) for level in TimerLevel}
    assert [timers_of(paused)[timer] for timer in moved] == [None, None]
