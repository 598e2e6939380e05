"""The rules of the clock one by one, on a week of offices in Shanghai."""

from datetime import datetime, timedelta

import pytest
from crm_kit.errors import InvalidArgument
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.milestones import CountedMilestone, MilestoneState
from crm_service_desk.service_levels.model import (
    MilestoneKind,
    PauseReason,
    ServiceLevelPolicy,
    Target,
)

from tests.unit.service_desk.counting import HOUR, Stop, counted, policy, weekly, within

K, M, S, P = FactKind, MilestoneKind, MilestoneState, PauseReason
OFFICE = weekly("Asia/Shanghai", dict.fromkeys(range(5), "09:00-12:00, 13:00-18:00"))


def resolved_within(minutes: int) -> ServiceLevelPolicy:
    return policy({M.RESOLUTION: within(minutes)})


POLICY = policy({M.FIRST_RESPONSE: within(HOUR), M.NEXT_RESPONSE: within(2 * HOUR), M.RESOLUTION: within(8 * HOUR)})


def at(text: str) -> datetime:
    """Day and time of March 2026 in Shanghai, where the 2nd is a Monday: `02 09:30`."""
    return datetime.fromisoformat(f"2026-03-{text.replace(' ', 'T')}+08:00")


def fact(text: str, kind: FactKind, reason: PauseReason | None = None) -> Fact:
    return Fact(at(text), kind, reason)


def policy_changed(text: str, policy: ServiceLevelPolicy) -> Fact:
    return Fact(at(text), K.POLICY_CHANGED, policy=policy)


def milestone(log: list[Fact], now: str, kind: MilestoneKind = M.RESOLUTION) -> CountedMilestone:
    (found,) = [m for m in evaluate(OFFICE, POLICY, log, at(now)) if m.kind is kind]
    return found


CREATED = fact("02 09:00", K.CREATED)


def test_the_first_response_ends_with_the_first_public_message_of_an_agent() -> None:
    log = [
        CREATED,
        fact("02 09:10", K.CUSTOMER_MESSAGE),
        fact("02 09:20", K.PUBLIC_REPLY),
        fact("02 09:30", K.PUBLIC_REPLY),
    ]
    got = milestone(log, "02 12:00", M.FIRST_RESPONSE)
    assert (got.state, got.complete_time) == (S.MET, at("02 09:20"))
    assert got.due_time == at("02 10:00")


def test_a_call_counts_as_first_response() -> None:
    got = milestone([CREATED, fact("02 09:50", K.CALL)], "02 12:00", M.FIRST_RESPONSE)
    assert (got.state, got.complete_time) == (S.MET, at("02 09:50"))


def test_a_reply_at_the_due_time_keeps_the_promise_and_silence_breaks_it() -> None:
    assert milestone([CREATED, fact("02 10:00", K.CALL)], "02 10:00", M.FIRST_RESPONSE).state is S.MET
    assert milestone([CREATED], "02 10:00", M.FIRST_RESPONSE).state is S.MISSED
    assert milestone([CREATED], "02 09:59", M.FIRST_RESPONSE).state is S.RUNNING


def test_a_reply_after_closing_time_is_late_for_a_budget_used_up_at_closing() -> None:
    log = [fact("02 17:00", K.CREATED), fact("02 19:00", K.PUBLIC_REPLY)]
    got = milestone(log, "03 09:00", M.FIRST_RESPONSE)
    assert (got.due_time, got.state, got.breach_time) == (at("02 18:00"), S.MISSED, at("02 18:00"))


def test_the_first_response_pauses_for_nothing_by_default() -> None:
    log = [CREATED, fact("02 09:10", K.PAUSED, P.CUSTOMER)]
    assert milestone(log, "02 11:00", M.FIRST_RESPONSE).breach_time == at("02 10:00")
    assert milestone(log, "02 11:00").state is S.PAUSED


def test_a_second_message_does_not_restart_the_next_response_and_each_cycle_has_a_record() -> None:
    log = [
        CREATED,
        fact("02 09:10", K.PUBLIC_REPLY),
        fact("02 10:00", K.CUSTOMER_MESSAGE),
        fact("02 11:00", K.CUSTOMER_MESSAGE),
        fact("02 11:30", K.PUBLIC_REPLY),
        fact("02 14:00", K.CUSTOMER_MESSAGE),
    ]
    cycles = [m for m in evaluate(OFFICE, POLICY, log, at("02 15:00")) if m.kind is M.NEXT_RESPONSE]
    assert [(m.cycle, m.start_time, m.state, m.due_time) for m in cycles] == [
        (1, at("02 10:00"), S.MET, at("02 12:00")),
        (2, at("02 14:00"), S.RUNNING, at("02 16:00")),
    ]


def test_a_customers_message_ends_the_wait_for_them_at_its_own_time() -> None:
    log = [
        CREATED,
        fact("02 10:00", K.PAUSED, P.CUSTOMER),
        fact("02 11:30", K.RESUMED, P.CUSTOMER),
        fact("02 11:00", K.CUSTOMER_MESSAGE),
    ]
    got = milestone(log, "02 12:00")
    assert got.time_spent.elapsed == timedelta(hours=2)
    assert [(i.start_time, i.end_time, i.reason) for i in got.time_spent.paused] == [
        (at("02 10:00"), at("02 11:00"), P.CUSTOMER)
    ]


def test_a_customers_message_does_not_end_the_wait_for_others() -> None:
    log = [CREATED, fact("02 10:00", K.PAUSED, P.THIRD_PARTY), fact("02 10:30", K.CUSTOMER_MESSAGE)]
    assert milestone(log, "02 12:00").state is S.PAUSED


def test_there_is_no_due_time_while_paused_and_pauses_count_in_business_time_only() -> None:
    log = [CREATED, fact("02 17:00", K.PAUSED, P.CUSTOMER)]
    assert milestone(log, "03 09:30").due_time is None
    resumed = milestone([*log, fact("03 10:00", K.RESUMED, P.CUSTOMER)], "03 10:00")
    assert resumed.due_time == at("03 11:00")
    assert sum((i.end_time - i.start_time for i in resumed.time_spent.paused), timedelta()) == timedelta(hours=2)


def test_after_a_reopening_the_same_clock_goes_on_without_the_time_it_was_resolved() -> None:
    log = [CREATED, fact("02 11:00", K.RESOLVED), fact("04 09:00", K.REOPENED)]
    got = milestone(log, "04 10:00")
    assert (got.state, got.time_spent.elapsed, got.reopenings) == (S.RUNNING, timedelta(hours=3), 1)
    assert got.due_time == at("04 16:00")
    assert {i.reason for i in got.time_spent.paused} == {P.RESOLVED}


def test_resolved_at_the_due_time_is_met_until_it_is_reopened() -> None:
    log = [CREATED, fact("02 18:00", K.RESOLVED)]
    assert milestone(log, "03 12:00").state is S.MET
    reopened = milestone([*log, fact("04 10:00", K.REOPENED)], "04 11:00")
    assert (reopened.state, reopened.breach_time) == (S.MISSED, at("04 10:00"))


def test_a_new_policy_keeps_start_and_pauses_and_takes_the_new_target() -> None:
    strict = resolved_within(4 * HOUR)
    log = [
        CREATED,
        fact("02 10:00", K.PAUSED, P.CUSTOMER),
        fact("02 11:00", K.RESUMED, P.CUSTOMER),
        policy_changed("02 11:30", strict),
    ]
    assert milestone(log, "02 12:00").due_time == at("02 15:00")


def test_a_target_already_overdrawn_when_it_comes_is_broken_from_then_on() -> None:
    strict = resolved_within(HOUR)
    log = [CREATED, policy_changed("02 11:30", strict)]
    assert milestone(log, "02 11:29").state is S.RUNNING
    assert milestone(log, "02 12:00").breach_time == at("02 11:30")


def test_what_was_breached_stays_breached_at_its_first_time() -> None:
    for minutes in (HOUR, 80 * HOUR):
        log = [CREATED, policy_changed("03 10:00", resolved_within(minutes)), fact("03 11:00", K.RESOLVED)]
        got = milestone(log, "04 12:00")
        assert (got.state, got.breach_time) == (S.MISSED, at("02 18:00"))


def test_a_warning_comes_at_three_quarters_of_the_target() -> None:
    assert milestone([CREATED], "02 09:00").warning_time == at("02 16:00")


def test_working_days_run_on_the_same_clock() -> None:
    stop = Stop(at("03 09:00"), None)
    got = counted(OFFICE, at("02 10:00"), Target(working_days=2), at("03 12:00"), [stop])
    assert (got.state, got.due_time, got.time_spent.elapsed) == (S.PAUSED, None, timedelta(hours=7))
    assert got.budget - got.time_spent.elapsed == timedelta(hours=16)


def test_a_cancelled_case_owes_nothing_more() -> None:
    states = {m.state for m in evaluate(OFFICE, POLICY, [CREATED, fact("02 09:30", K.CANCELLED)], at("05 10:00"))}
    assert states == {S.CANCELLED}


def test_the_future_of_a_log_is_not_seen() -> None:
    log = [CREATED, fact("02 10:00", K.RESOLVED)]
    assert milestone(log, "02 09:59").state is S.RUNNING
    assert evaluate(OFFICE, POLICY, log, at("02 08:59")) == []


def test_a_log_without_a_beginning_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="CREATED"):
        evaluate(OFFICE, POLICY, [fact("02 10:00", K.RESOLVED)], at("02 12:00"))


def test_a_pause_without_reason_is_refused() -> None:
    for reason in (None, P.RESOLVED):
        with pytest.raises(InvalidArgument):
            fact("02 10:00", K.PAUSED, reason)


def test_a_policy_eased_at_the_very_due_time_comes_in_time() -> None:
    eased = resolved_within(16 * HOUR)
    log = [CREATED, policy_changed("02 18:00", eased)]
    got = milestone(log, "03 09:00")
    assert (got.state, got.due_time) == (S.RUNNING, at("03 18:00"))


def test_a_policy_that_comes_with_the_end_does_not_judge_it() -> None:
    strict = resolved_within(HOUR)
    log = [CREATED, fact("02 11:00", K.RESOLVED), policy_changed("02 11:00", strict)]
    assert milestone(log, "03 09:00").target == within(8 * HOUR)


def test_a_pause_counts_as_far_as_the_policy_of_its_time_says() -> None:
    unpaused = policy({M.RESOLUTION: within(8 * HOUR)}, pauses={})
    log = [
        CREATED,
        fact("02 10:00", K.PAUSED, P.CUSTOMER),
        policy_changed("02 11:00", unpaused),
    ]
    got = milestone(log, "02 12:00")
    assert (got.state, got.time_spent.elapsed) == (S.RUNNING, timedelta(hours=2))
    back = milestone([*log, policy_changed("02 11:30", POLICY)], "02 12:00")
    assert (back.state, back.time_spent.elapsed) == (S.PAUSED, timedelta(hours=1, minutes=30))


@pytest.mark.parametrize(("minutes", "days"), [(0, 0), (1, 1), (-1, 0), (0, -1)])
def test_a_target_is_of_minutes_or_of_days(minutes: int, days: int) -> None:
    with pytest.raises(InvalidArgument, match="not both"):
        Target(business_minutes=minutes, working_days=days)
