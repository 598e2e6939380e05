from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from crm_kit.errors import CrmError, FailedPrecondition, InvalidArgument
from crm_service_desk.calendars.model import parse_hours, weekly_calendar
from crm_service_desk.cases.model import (
    MOVES,
    Case,
    CaseKind,
    CaseMove,
    CaseState,
    Channel,
    Level,
    Priority,
    case_number,
    create_case,
    priority_of,
)
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
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
ALWAYS = weekly_calendar("UTC", dict.fromkeys(range(7), parse_hours("00:00-24:00")))

Act = Callable[[Case, datetime], CaseMove]
ACTS: dict[CaseState, Act] = {
    CaseState.OPEN: lambda case, now: case.open(now=now, actor_id="u1"),
    CaseState.WAITING_CUSTOMER: lambda case, now: case.wait_for_customer(now=now, actor_id="u1"),
    CaseState.WAITING_THIRD_PARTY: lambda case, now: case.wait_for_third_party(now=now, actor_id="u1"),
    CaseState.RESOLVED: lambda case, now: case.resolve("new fuse", now=now, actor_id="u1"),
    CaseState.CLOSED: lambda case, now: case.close(now=now, actor_id="u1"),
    CaseState.REOPENED: lambda case, now: case.reopen("again dark", now=now, actor_id="u1", window=WEEK),
    CaseState.CANCELLED: lambda case, now: case.cancel("spam", now=now, actor_id="u1"),
    CaseState.MERGED: lambda case, now: case.merge_into("c2", now=now, actor_id="u1"),
}


def case_in(state: CaseState, kind: CaseKind = CaseKind.REPAIR) -> Case:
    resolved = NOON if state in (CaseState.RESOLVED, CaseState.CLOSED) else None
    return Case("c1", kind, state, NOON, resolve_time=resolved)


@pytest.mark.parametrize("state", list(CaseState))
@pytest.mark.parametrize("wanted", list(ACTS))
def test_a_move_is_made_or_refused_with_the_legal_ones_named(state: CaseState, wanted: CaseState) -> None:
    if wanted in MOVES[state]:
        assert ACTS[wanted](case_in(state), NOON).case.state is wanted
        return
    with pytest.raises(FailedPrecondition) as refused:
        ACTS[wanted](case_in(state), NOON)
    assert refused.value.reason == "ILLEGAL_STATE"
    named = refused.value.detail.partition("it can become: ")[2]
    assert set(named.split(", ")) == ({str(legal) for legal in MOVES[state]} or {"none"})


def test_the_moves_are_those_of_the_design() -> None:
    flow = ["NEW", "OPEN", "WAITING_CUSTOMER", "WAITING_THIRD_PARTY", "RESOLVED", "CLOSED", "REOPENED", "OPEN"]
    states = [CaseState(name) for name in flow]
    assert all(later in MOVES[earlier] for earlier, later in pairwise(states))
    assert not MOVES[CaseState.CANCELLED] | MOVES[CaseState.MERGED]
    assert CaseState.CLOSED not in MOVES[CaseState.OPEN]
    assert CaseState.OPEN not in MOVES[CaseState.CLOSED]


def test_a_complaint_does_not_close_before_a_reply_reached_the_customer() -> None:
    complaint = case_in(CaseState.RESOLVED, CaseKind.COMPLAINT)
    unreached = complaint.reply(now=NOON, actor_id="u1", channel=Channel.CALL, reached=False)
    for case in (complaint, unreached.case, complaint.note(now=NOON, actor_id="u1").case):
        with pytest.raises(FailedPrecondition) as refused:
            case.close(now=NOON, actor_id="u1")
        assert refused.value.reason == "COMPLAINT_WITHOUT_REPLY"
    assert complaint.reply(now=NOON, actor_id="u1").case.close(now=NOON, actor_id="u1").case.close_time == NOON
    assert unreached.events[0].kind is CaseEventKind.INTERNAL_NOTE


def test_another_case_closes_without_a_reply() -> None:
    assert case_in(CaseState.RESOLVED).close(now=NOON, actor_id="u1").case.state is CaseState.CLOSED


@pytest.mark.parametrize("state", [CaseState.RESOLVED, CaseState.CLOSED])
def test_a_case_is_reopened_within_the_window_only(state: CaseState) -> None:
    case = case_in(state)
    again = case.reopen("dark", now=NOON + WEEK, actor_id="u1", window=WEEK).case
    assert (again.state, again.reopenings, again.resolve_time) == (CaseState.REOPENED, 1, None)
    with pytest.raises(FailedPrecondition, match="create a new one"):
        case.reopen("dark", now=NOON + WEEK + timedelta(microseconds=1), actor_id="u1", window=WEEK)


def test_a_customers_message_brings_a_waiting_case_back_at_the_time_it_was_sent() -> None:
    waiting = case_in(CaseState.WAITING_CUSTOMER)
    sent = NOON - timedelta(minutes=5)
    move = waiting.customer_message(sent=sent, contact_id="k1")
    assert move.case.state is CaseState.OPEN
    assert [(e.at, e.kind) for e in move.events] == [
        (sent, CaseEventKind.CUSTOMER_MESSAGE),
        (sent, CaseEventKind.OPENED),
    ]
    third = case_in(CaseState.WAITING_THIRD_PARTY)
    assert third.customer_message(sent=sent, contact_id="k1").case.state is CaseState.WAITING_THIRD_PARTY


@given(st.lists(st.tuples(st.sampled_from(list(ACTS)), st.integers(1, 90)), max_size=20))
def test_the_log_of_any_life_gives_the_clock_what_the_states_lasted(steps: list[tuple[CaseState, int]]) -> None:
    """Oracle: the hours spent in states in which the ball is with us."""
    move = create_case("c1", CaseKind.REPAIR, now=NOON)
    case, log, now = move.case, list(move.events), NOON
    ours = timedelta()
    running = {CaseState.NEW, CaseState.OPEN, CaseState.REOPENED}
    for wanted, minutes in steps:
        if case.state in running:
            ours += timedelta(minutes=minutes)
        now += timedelta(minutes=minutes)
        try:
            move = ACTS[wanted](case, now)
        except FailedPrecondition:
            continue
        case, log = move.case, [*log, *move.events]
    policy = ServiceLevelPolicy(targets={MilestoneKind.RESOLUTION: BusinessTime(10**7)})
    (got,) = evaluate(ALWAYS, policy, log, now)
    assert got.elapsed == ours
    assert got.reopenings == case.reopenings
    expected = {
        CaseState.RESOLVED: MilestoneState.MET,
        CaseState.CLOSED: MilestoneState.MET,
        CaseState.CANCELLED: MilestoneState.CANCELLED,
        CaseState.MERGED: MilestoneState.CANCELLED,
        CaseState.WAITING_CUSTOMER: MilestoneState.PAUSED,
        CaseState.WAITING_THIRD_PARTY: MilestoneState.PAUSED,
    }
    assert got.state is expected.get(case.state, MilestoneState.RUNNING)


def test_approval_holds_the_clock_without_moving_the_case() -> None:
    case = case_in(CaseState.OPEN)
    paused = case.pause(PauseReason.APPROVAL, now=NOON, actor_id="u1")
    resumed = paused.case.resume(PauseReason.APPROVAL, now=NOON + timedelta(hours=1), actor_id="u2")
    log = [CaseEvent(NOON, CaseEventKind.CREATED), *paused.events, *resumed.events]
    policy = ServiceLevelPolicy(targets={MilestoneKind.RESOLUTION: BusinessTime(3600)})
    (got,) = evaluate(ALWAYS, policy, log, NOON + timedelta(hours=1))
    assert (resumed.case.state, got.elapsed) == (CaseState.OPEN, timedelta())
    for reason in (PauseReason.CUSTOMER, PauseReason.THIRD_PARTY, PauseReason.RESOLVED):
        with pytest.raises(InvalidArgument):
            case.pause(reason, now=NOON, actor_id="u1")


def test_a_new_plan_of_a_complaint_needs_a_new_approval() -> None:
    case = case_in(CaseState.OPEN, CaseKind.COMPLAINT).judge(justified=True, responsible_department="Billing")
    with pytest.raises(FailedPrecondition, match="no handling plan"):
        case.approve_plan(now=NOON, actor_id="boss")
    approved = case.plan_handling("refund").approve_plan(now=NOON, actor_id="boss")
    assert approved.complaint is not None
    assert (approved.complaint.plan_approved_by, approved.complaint.justified) == ("boss", True)
    changed = approved.plan_handling("refund and flowers").complaint
    assert changed is not None
    assert (changed.plan_approved_by, changed.plan_approve_time) == ("", None)


def test_only_a_complaint_is_judged() -> None:
    with pytest.raises(FailedPrecondition, match="COMPLAINT"):
        case_in(CaseState.OPEN).judge(justified=True, responsible_department="Billing")


def test_a_change_of_priority_brings_its_policy_into_the_log() -> None:
    policy = ServiceLevelPolicy(targets={})
    case = case_in(CaseState.OPEN)
    move = case.set_priority(Level.HIGH, Level.HIGH, policy, now=NOON, actor_id="u1")
    assert move.case.priority is Priority.CRITICAL
    assert [(e.kind, e.policy) for e in move.events] == [(CaseEventKind.POLICY_CHANGED, policy)]
    assert case.set_priority(Level.LOW, Level.LOW, None, now=NOON, actor_id="u1").events == ()


@pytest.mark.parametrize(
    "act",
    [
        lambda case: case.resolve(" ", now=NOON, actor_id="u1"),
        lambda case: case.cancel("", now=NOON, actor_id="u1"),
        lambda case: case.merge_into("c1", now=NOON, actor_id="u1"),
    ],
)
def test_what_says_nothing_is_refused(act: Callable[[Case], CaseMove]) -> None:
    with pytest.raises(CrmError) as refused:
        act(case_in(CaseState.OPEN))
    assert refused.value.reason == "INVALID_ARGUMENT"


def test_priority_is_a_matrix_of_impact_and_urgency() -> None:
    high, medium, low = Level.HIGH, Level.MEDIUM, Level.LOW
    table = {
        (high, high): "CRITICAL",
        (high, medium): "HIGH",
        (medium, medium): "MEDIUM",
        (high, low): "MEDIUM",
        (medium, low): "LOW",
        (low, low): "LOW",
    }
    for (impact, urgency), priority in table.items():
        assert priority_of(impact, urgency) == priority_of(urgency, impact) == priority


def test_case_numbers_sort_within_their_year() -> None:
    assert case_number(2026, 123) == "C-2026-000123"
    assert case_number(2026, 99) < case_number(2026, 100)
