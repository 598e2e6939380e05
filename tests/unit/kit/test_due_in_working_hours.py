"""Due times in working hours, against a grid of minutes that knows nothing of the code under test."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from crm_kit.approvals.model import Approval, Decision, Opinion, State
from crm_kit.approvals.policies.model import (
    MAX_WORKING_HOURS,
    ApprovalPolicy,
    HoursCounted,
    Mode,
    Outcome,
    Row,
    Step,
)
from crm_kit.errors import InvalidArgument
from crm_kit.working_time.business_hours import BusinessHours, DayIntervals
from crm_kit.working_time.model import DatedException, DayHours, Hours, Weekday, WorkingCalendar
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.kit.approving import NOW, USERS
from tests.unit.kit.grid import Grid, odd_hours

minutes_near = st.integers(3 * 1440, 10 * 1440)


def in_texts(hours: DayIntervals) -> tuple[Hours, ...]:
    def text(minutes: int) -> str:
        return f"{minutes // 60:02}:{minutes % 60:02}"

    return tuple(Hours(text(opens), text(closes)) for opens, closes in hours)


def calendar_of(hours: BusinessHours) -> WorkingCalendar:
    """The calendar that a tenant would have for these hours."""
    weekly = tuple(DayHours(day, in_texts(of)) for day, of in zip(Weekday, hours.weekly, strict=True))
    exceptions = tuple(DatedException(day, in_texts(of)) for day, of in hours.exceptions)
    return WorkingCalendar(UUID(int=1), hours.time_zone, 1, weekly, exceptions)


def asking(hours: int, counted: HoursCounted = HoursCounted.WORKING) -> Step:
    return Step(Mode.ANY, USERS[:1], due_hours=hours, hours_counted=counted)


def approval(*steps: Step, **fields: Any) -> Approval:
    one = Approval(
        id=UUID(int=1000),
        collection="credit_limits",
        record_id=UUID(int=1001),
        record_etag="v1",
        verb="setLimit",
        submitter_id=USERS[1],
        policy_id=UUID(int=1002),
        policy_etag="v1",
        steps=steps,
        create_time=NOW,
        update_time=NOW,
    )
    return replace(one, **fields)


MONDAY = DayHours(Weekday.MONDAY, (Hours("09:00", "10:00"),))
ONE_HOUR_A_WEEK = WorkingCalendar(UUID(int=1), "Asia/Shanghai", 1, (MONDAY,))


@settings(max_examples=50)
@given(odd_hours(), minutes_near, st.integers(1, 60))
def test_a_step_is_due_at_the_first_minute_at_which_so_many_open_ones_have_passed(
    at: tuple[BusinessHours, Grid], start: int, hours: int
) -> None:
    business, grid = at
    assume(any(business.weekly))
    opened = grid.open_minutes(business)
    passed, minute = 0, start
    while passed < hours * 60 and minute < 12 * 1440:
        passed += minute in opened
        minute += 1
    due = asking(hours).due_time(grid.at(start), calendar_of(business))
    assert due is not None
    if passed == hours * 60:
        assert due == grid.at(minute)
    else:
        assert due > grid.at(minute)


@settings(max_examples=20)
@given(odd_hours(), minutes_near, st.integers(0, 8760))
def test_elapsed_hours_pass_whatever_the_calendar_says(at: tuple[BusinessHours, Grid], start: int, hours: int) -> None:
    business, grid = at
    begin, step = grid.at(start), asking(hours, HoursCounted.ELAPSED)
    expected = begin + timedelta(hours=hours) if hours else None
    assert step.due_time(begin) == step.due_time(begin, calendar_of(business)) == expected


def test_the_longest_step_falls_due_with_one_hour_a_week_and_500_of_those_closed() -> None:
    first = date(2027, 3, 1)
    closed = tuple(DatedException(first + timedelta(weeks=week)) for week in range(500))
    due = asking(MAX_WORKING_HOURS).due_time(NOW, replace(ONE_HOUR_A_WEEK, exceptions=closed))
    # 500 Mondays are closed, and the hour of the last one is over at ten in Shanghai.
    assert due == datetime.fromisoformat("2027-03-01T10:00+08:00") + timedelta(weeks=500 + MAX_WORKING_HOURS - 1)


@settings(max_examples=30)
@given(odd_hours(), odd_hours(), minutes_near, st.integers(1, 60))
def test_a_new_calendar_gives_a_pending_step_the_time_that_it_would_have_had_from_its_beginning(
    before: tuple[BusinessHours, Grid], after: tuple[BusinessHours, Grid], start: int, hours: int
) -> None:
    assume(any(before[0].weekly) and any(after[0].weekly))
    begin, old, new = before[1].at(start), calendar_of(before[0]), calendar_of(after[0])
    first = approval(asking(hours), create_time=begin).begun(now=begin, calendar=old)
    assert first.rescheduled(new).due_time == asking(hours).due_time(begin, new)
    said = Opinion(1, USERS[0], Decision.APPROVE, begin, as_ids=(USERS[0],))
    second = approval(asking(1), asking(hours), create_time=begin - timedelta(days=1), opinions=(said,), current_step=2)
    assert second.begun(now=begin, calendar=old).rescheduled(new) == second.begun(now=begin, calendar=new)


def test_what_is_overdue_or_decided_or_goes_by_the_clock_keeps_its_time() -> None:
    timed = approval(asking(2)).begun(now=NOW, calendar=ONE_HOUR_A_WEEK)
    assert timed.rescheduled(ONE_HOUR_A_WEEK) == timed
    daily = replace(ONE_HOUR_A_WEEK, weekly=tuple(DayHours(day, (Hours("00:00", "24:00"),)) for day in Weekday))
    assert timed.rescheduled(daily).due_time == NOW + timedelta(hours=2)
    by_clock = approval(asking(2, HoursCounted.ELAPSED)).begun(now=NOW)
    timeless = approval(asking(0, HoursCounted.ELAPSED)).begun(now=NOW)
    for kept in (replace(timed, overdue=True), replace(timed, state=State.REJECTED), by_clock, timeless):
        assert kept.rescheduled(daily) == kept


@pytest.mark.parametrize(
    ("hours", "counted", "rule"),
    [
        (0, HoursCounted.WORKING, "hours_to_count"),
        (MAX_WORKING_HOURS + 1, HoursCounted.WORKING, "max_working_hours"),
        (MAX_WORKING_HOURS, HoursCounted.WORKING, None),
        (8760, HoursCounted.ELAPSED, None),
        (0, HoursCounted.ELAPSED, None),
    ],
)
def test_a_step_counts_working_hours_that_there_are(hours: int, counted: HoursCounted, rule: str | None) -> None:
    rows = (Row(Outcome.ASK, steps=(asking(1), asking(hours, counted))),)
    one = ApprovalPolicy(UUID(int=1), "credit_limits", "setLimit", "审批", rows, NOW, NOW)
    if rule is None:
        assert one.checked() == one
        return
    with pytest.raises(InvalidArgument) as refused:
        one.checked()
    found = [(each.field, each.rule) for each in refused.value.violations]
    assert found == [("approval_policy.rows[0].steps[1].due_hours", rule)]
