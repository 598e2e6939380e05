from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from crm_kit.errors import CrmError, FailedPrecondition, InvalidArgument
from crm_service_desk.calendars.model import default_calendar
from crm_service_desk.cases.log import MAX_LINES, CaseEvent, CaseEventKind, facts_of
from crm_service_desk.cases.model import MOVES, Case, CaseMove, CaseState, Medium, case_number
from crm_service_desk.classification import CaseKind, Level, Priority, priority_of
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.milestones import MilestoneState
from crm_service_desk.service_levels.model import NOTHING_PROMISED, MilestoneKind, PauseReason, Target
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.service_desk.counting import HOUR, daily, policy

K = CaseEventKind
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
AGENT, CONTACT = UUID(int=1), UUID(int=2)
ALWAYS = daily("UTC", "00:00-24:00")

Act = Callable[[Case, datetime], CaseMove]
ACTS: dict[CaseState, Act] = {
    CaseState.OPEN: lambda case, now: case.open(now=now, actor_id=AGENT),
    CaseState.WAITING_CUSTOMER: lambda case, now: case.wait_for_customer(None, now=now, actor_id=AGENT),
    CaseState.WAITING_THIRD_PARTY: lambda case, now: case.wait_for_third_party("grid", now=now, actor_id=AGENT),
    CaseState.RESOLVED: lambda case, now: case.resolve("new fuse", now=now, actor_id=AGENT),
    CaseState.CLOSED: lambda case, now: case.close(now=now, actor_id=AGENT),
    CaseState.REOPENED: lambda case, now: case.reopen("again dark", now=now, actor_id=AGENT, window=WEEK),
    CaseState.CANCELLED: lambda case, now: case.cancel("spam", now=now, actor_id=AGENT),
}


def case_in(state: CaseState, **fields: Any) -> Case:
    values: dict[str, Any] = {"kind": CaseKind.REPAIR, "create_time": NOON}
    if state in (CaseState.RESOLVED, CaseState.CLOSED):
        values["resolve_time"] = NOON
    return Case(
        id=UUID(int=3),
        number="C-2026-000001",
        title="no power",
        creator_id=AGENT,
        calendar_id=UUID(int=4),
        update_time=NOON,
        state=state,
        **values | fields,
    )


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
    assert not MOVES[CaseState.CANCELLED]
    assert CaseState.CLOSED not in MOVES[CaseState.OPEN]
    assert CaseState.OPEN not in MOVES[CaseState.CLOSED]


def test_lines_are_numbered_on_from_those_that_the_log_has() -> None:
    move = case_in(CaseState.WAITING_CUSTOMER, event_count=4).open(now=NOON, actor_id=AGENT)
    assert [(each.position, each.kind) for each in move.events] == [(5, K.RESUMED), (6, K.OPENED)]
    assert move.case.event_count == 6


def test_a_complaint_does_not_close_before_a_reply_reached_the_customer() -> None:
    complaint = case_in(CaseState.RESOLVED, kind=CaseKind.COMPLAINT)
    for case in (complaint, complaint.note("called", now=NOON, actor_id=AGENT).case):
        with pytest.raises(FailedPrecondition) as refused:
            case.close(now=NOON, actor_id=AGENT)
        assert refused.value.reason == "COMPLAINT_WITHOUT_REPLY"
    replied = complaint.reply("sorry", medium=Medium.CALL, now=NOON, actor_id=AGENT).case
    assert replied.close(now=NOON, actor_id=AGENT).case.close_time == NOON


def test_another_case_closes_without_a_reply() -> None:
    assert case_in(CaseState.RESOLVED).close(now=NOON, actor_id=AGENT).case.state is CaseState.CLOSED


@pytest.mark.parametrize("state", [CaseState.RESOLVED, CaseState.CLOSED])
def test_a_case_is_reopened_within_the_window_only(state: CaseState) -> None:
    case = case_in(state)
    again = case.reopen("dark", now=NOON + WEEK, actor_id=AGENT, window=WEEK).case
    assert (again.state, again.reopenings, again.resolve_time) == (CaseState.REOPENED, 1, None)
    with pytest.raises(FailedPrecondition, match="more than 7 days ago: create a new case"):
        case.reopen("dark", now=NOON + WEEK + timedelta(microseconds=1), actor_id=AGENT, window=WEEK)


@pytest.mark.parametrize("state", [CaseState.NEW, CaseState.REOPENED])
def test_an_assignee_or_a_reply_opens_what_nobody_works_on(state: CaseState) -> None:
    case = case_in(state)
    assert case.assign(AGENT, None, now=NOON, actor_id=AGENT).case.state is CaseState.OPEN
    assert case.assign(None, None, now=NOON, actor_id=AGENT).case.state is state
    replied = case.reply("hello", medium=Medium.MESSAGE, now=NOON, actor_id=AGENT)
    assert [each.kind for each in replied.events] == [K.PUBLIC_REPLY, K.OPENED]
    waiting = case_in(CaseState.WAITING_CUSTOMER)
    assert waiting.assign(AGENT, None, now=NOON, actor_id=AGENT).case.state is CaseState.WAITING_CUSTOMER


# --- the customer's messages


def waiting_case() -> tuple[Case, list[CaseEvent]]:
    """A case that has waited for the customer since noon, and its log."""
    opened = case_in(CaseState.OPEN, create_time=NOON - timedelta(hours=1))
    move = opened.wait_for_customer("when?", now=NOON, actor_id=AGENT)
    return move.case, list(move.events)


def test_a_customers_message_brings_a_waiting_case_back_at_the_time_it_was_sent() -> None:
    case, log = waiting_case()
    sent, now = NOON + timedelta(minutes=5), NOON + timedelta(minutes=9)
    move = case.record_customer_message(
        "at home", facts_of(log), send_time=sent, now=now, contact_id=CONTACT, window=WEEK
    )
    assert move.case.state is CaseState.OPEN
    assert [(each.occur_time, each.record_time, each.kind) for each in move.events] == [
        (sent, now, K.CUSTOMER_MESSAGE),
        (sent, now, K.OPENED),
    ]


def test_a_message_that_crossed_our_decision_to_wait_ends_the_waiting_where_it_began() -> None:
    case, log = waiting_case()
    sent, now = NOON - timedelta(minutes=5), NOON + timedelta(minutes=9)
    move = case.record_customer_message("at home", facts_of(log), send_time=sent, now=now, contact_id=None, window=WEEK)
    assert [(each.occur_time, each.kind) for each in move.events] == [
        (sent, K.CUSTOMER_MESSAGE),
        (NOON, K.RESUMED),
        (NOON, K.OPENED),
    ]


def test_a_customers_message_does_not_end_waiting_for_others() -> None:
    case = case_in(CaseState.WAITING_THIRD_PARTY)
    move = case.record_customer_message("hello?", [], send_time=NOON, now=NOON, contact_id=CONTACT, window=WEEK)
    assert move.case.state is CaseState.WAITING_THIRD_PARTY
    assert [each.contact_id for each in move.events] == [CONTACT]


def test_a_message_after_the_solution_takes_the_case_up_again_from_then_on() -> None:
    resolved = case_in(CaseState.OPEN).resolve("new fuse", now=NOON, actor_id=AGENT).case
    closed = resolved.close(now=NOON + timedelta(hours=4), actor_id=AGENT).case
    now = NOON + timedelta(hours=9)
    for case, sent, back in (
        (resolved, NOON + timedelta(hours=2), NOON + timedelta(hours=2)),
        (closed, NOON + timedelta(hours=8), NOON + timedelta(hours=8)),
        # It was on its way while the case was closed.
        (closed, NOON + timedelta(hours=2), NOON + timedelta(hours=4)),
    ):
        move = case.record_customer_message("dark", [], send_time=sent, now=now, contact_id=CONTACT, window=WEEK)
        assert (move.case.state, move.case.reopenings) == (CaseState.REOPENED, 1)
        assert (move.case.resolve_time, move.case.close_time) == (None, None)
        told = [(each.kind, each.occur_time, each.contact_id) for each in move.events]
        assert told == [(K.CUSTOMER_MESSAGE, sent, CONTACT), (K.REOPENED, back, CONTACT)]


def test_a_message_of_before_the_solution_is_part_of_the_story_and_a_late_one_begins_another() -> None:
    resolved = (
        case_in(CaseState.OPEN, create_time=NOON - timedelta(hours=1))
        .resolve("new fuse", now=NOON, actor_id=AGENT)
        .case
    )
    told: dict[str, Any] = {"now": NOON + 2 * WEEK, "contact_id": None, "window": WEEK}
    before = resolved.record_customer_message("still dark", [], send_time=NOON - timedelta(minutes=1), **told)
    assert before.case.state is CaseState.RESOLVED
    # What counts is when it was sent, however late it came.
    assert resolved.record_customer_message("?", [], send_time=NOON + WEEK, **told).case.state is CaseState.REOPENED
    with pytest.raises(FailedPrecondition, match="create a new case"):
        resolved.record_customer_message("?", [], send_time=NOON + WEEK + timedelta(minutes=1), **told)


@pytest.mark.parametrize("minutes", [-1, 11])
def test_a_message_is_neither_from_before_the_case_nor_from_the_future(minutes: int) -> None:
    now, sent = NOON + timedelta(minutes=10), NOON + timedelta(minutes=minutes)
    with pytest.raises(InvalidArgument, match="send_time"):
        case_in(CaseState.OPEN).record_customer_message("?", [], send_time=sent, now=now, contact_id=None, window=WEEK)


# --- the log and its clocks


@given(st.lists(st.tuples(st.sampled_from(list(ACTS)), st.integers(1, 90)), max_size=20))
def test_the_log_of_any_life_gives_the_clock_what_the_states_lasted(steps: list[tuple[CaseState, int]]) -> None:
    """Oracle: the hours spent in states in which it is our turn."""
    move = case_in(CaseState.NEW).created(now=NOON, actor_id=AGENT)
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
    promised = policy({MilestoneKind.RESOLUTION: Target(business_minutes=10**6)})
    (got,) = evaluate(ALWAYS, promised, facts_of(log), now)
    assert got.time_spent.elapsed == ours
    assert got.reopenings == case.reopenings
    expected = {
        CaseState.RESOLVED: MilestoneState.MET,
        CaseState.CLOSED: MilestoneState.MET,
        CaseState.CANCELLED: MilestoneState.CANCELLED,
        CaseState.WAITING_CUSTOMER: MilestoneState.PAUSED,
        CaseState.WAITING_THIRD_PARTY: MilestoneState.PAUSED,
    }
    assert got.state is expected.get(case.state, MilestoneState.RUNNING)
    assert [each.position for each in log] == list(range(1, case.event_count + 1))


def test_notes_and_taking_into_work_move_no_clock() -> None:
    move = case_in(CaseState.NEW).created(now=NOON, actor_id=AGENT)
    move = move.then(lambda case: case.open(now=NOON, actor_id=AGENT))
    move = move.then(lambda case: case.note("fuse F3", now=NOON, actor_id=AGENT))
    assert [each.kind for each in move.events] == [K.CREATED, K.OPENED, K.INTERNAL_NOTE]
    assert [each.kind for each in facts_of(move.events)] == ["CREATED"]


def test_every_pause_of_the_log_says_what_it_is_for() -> None:
    _, log = waiting_case()
    assert [each.pause_reason for each in facts_of(log)] == [PauseReason.CUSTOMER]


def counted_case(now: datetime) -> Case:
    """A new case with an hour of business time to respond, counted at that time."""
    promised = policy({MilestoneKind.FIRST_RESPONSE: Target(business_minutes=HOUR)})
    move = case_in(CaseState.NEW, first_policy=promised).created(now=NOON, actor_id=AGENT)
    return move.case.counted(facts_of(move.events), default_calendar(UUID(int=5), now=NOON), now=now)


def test_a_due_time_that_passes_breaks_the_promise_that_is_shown_and_leaves_what_is_stored() -> None:
    case = counted_case(NOON)
    due = case.first_response_due_time
    assert due is not None
    before = case.at(due - timedelta(microseconds=1))
    assert (before, before.breached) == (case, False)
    after = case.at(due)
    assert (after.breached, after.milestones[0].state, after.milestones[0].breach_time) == (
        True,
        MilestoneState.MISSED,
        due,
    )
    assert after == counted_case(due)


def test_what_is_no_longer_owed_has_no_due_time() -> None:
    case = counted_case(NOON)
    assert case.resolution_due_time is None
    move = case.reply("hello", medium=Medium.MESSAGE, now=NOON, actor_id=AGENT)
    created = CaseEvent(1, K.CREATED, NOON, NOON)
    after = move.case.counted(facts_of([created, *move.events]), default_calendar(UUID(int=5), now=NOON), now=NOON)
    assert (after.milestones[0].state, after.first_response_due_time) == (MilestoneState.MET, None)


def test_a_full_log_takes_nothing_more_but_how_the_case_ends() -> None:
    full = case_in(CaseState.WAITING_CUSTOMER, event_count=MAX_LINES, create_time=NOON - timedelta(hours=1))
    refused: list[Callable[[], object]] = [
        lambda: full.note("fuse F3", now=NOON, actor_id=AGENT),
        lambda: full.reply("hello", medium=Medium.CALL, now=NOON, actor_id=AGENT),
        lambda: full.record_customer_message("?", [], send_time=NOON, now=NOON, contact_id=None, window=WEEK),
        lambda: full.wait_for_third_party(None, now=NOON, actor_id=AGENT),
        lambda: full.open(now=NOON, actor_id=AGENT),
        lambda: full.promise(policy({MilestoneKind.RESOLUTION: Target(working_days=1)}), [], now=NOON, actor_id=AGENT),
    ]
    for act in refused:
        with pytest.raises(FailedPrecondition, match=f"has {MAX_LINES} lines"):
            act()
    resolved = full.resolve("new fuse", now=NOON, actor_id=AGENT).case
    assert resolved.close(now=NOON, actor_id=AGENT).case.event_count == MAX_LINES + 3
    with pytest.raises(FailedPrecondition, match=f"has {MAX_LINES} lines"):
        resolved.reopen("dark", now=NOON, actor_id=AGENT, window=WEEK)
    assert full.cancel("spam", now=NOON, actor_id=AGENT).case.state is CaseState.CANCELLED


# --- what is known of it


def test_another_promise_comes_into_the_log_and_the_same_one_does_not() -> None:
    case = case_in(CaseState.OPEN)
    promised = policy({MilestoneKind.RESOLUTION: Target(working_days=1)})
    move = case.promise(promised, [], now=NOON, actor_id=AGENT)
    assert [(each.kind, each.policy) for each in move.events] == [(K.POLICY_CHANGED, promised)]
    assert case.promise(promised, facts_of(move.events), now=NOON, actor_id=AGENT).events == ()
    assert case.promise(NOTHING_PROMISED, [], now=NOON, actor_id=AGENT).events == ()


def test_a_change_of_impact_or_urgency_changes_the_priority_of_what_is_not_finished() -> None:
    high = {"impact": Level.HIGH, "urgency": Level.HIGH}
    assert case_in(CaseState.OPEN).update(high).priority is Priority.CRITICAL
    closed = case_in(CaseState.CLOSED)
    assert closed.update({"title": "no light"}) == replace(closed, title="no light")
    with pytest.raises(FailedPrecondition, match="CLOSED"):
        closed.update(high)


@pytest.mark.parametrize(
    "act",
    [
        lambda case: case.resolve(" ", now=NOON, actor_id=AGENT),
        lambda case: case.cancel("", now=NOON, actor_id=AGENT),
        lambda case: case.reopen("", now=NOON, actor_id=AGENT, window=WEEK),
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
