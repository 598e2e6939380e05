from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from crm_kit.errors import InvalidArgument
from crm_service_desk.calendars.business_hours import BusinessHours
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.milestones import CountedMilestone, MilestoneState
from crm_service_desk.service_levels.model import (
    ASKED_PAUSES,
    MilestoneKind,
    MilestoneTarget,
    PauseReason,
    ServiceLevelPolicy,
    Target,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.service_desk.counting import HOUR, Stop, business_intervals, counted, intervals, policy, weekly
from tests.unit.service_desk.grid import MINUTE, Grid, odd_hours

K, M, S, P = FactKind, MilestoneKind, MilestoneState, PauseReason
OFFICE = weekly("Asia/Shanghai", dict.fromkeys(range(5), "09:00-12:00, 13:00-18:00"))


def within(minutes: int) -> Target:
    return Target(business_minutes=minutes)


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


# The oracle: a case lived through minute by minute.


@dataclass
class Watch:
    kind: MilestoneKind
    started: int
    ended: bool = False
    done: int | None = None
    dropped: bool = False
    breach: int | None = None
    history: list[int] = field(default_factory=lambda: [0])


@dataclass
class Life:
    policy: ServiceLevelPolicy
    watches: list[Watch]
    holding: set[PauseReason] = field(default_factory=set)
    reopenings: int = 0

    def unanswered(self) -> list[Watch]:
        return [w for w in self.watches if w.kind is not M.RESOLUTION and not w.ended]

    def resolution(self) -> Watch:
        return self.watches[1]

    def happen(self, minute: int, happened: Fact) -> None:
        match happened.kind:
            case K.CUSTOMER_MESSAGE:
                self.holding.discard(P.CUSTOMER)
                waiting = any(w.kind is M.NEXT_RESPONSE for w in self.unanswered())
                if minute > self.watches[0].started and not waiting and not self.resolution().dropped:
                    self.watches.append(Watch(M.NEXT_RESPONSE, minute))
            case K.PUBLIC_REPLY | K.CALL:
                for watch in self.unanswered():
                    watch.ended, watch.done = True, minute
            case K.PAUSED:
                assert happened.pause_reason
                self.holding.add(happened.pause_reason)
            case K.RESUMED:
                self.holding -= {happened.pause_reason} if happened.pause_reason else set(self.holding)
            case K.POLICY_CHANGED:
                assert happened.policy
                self.policy = happened.policy
            case _:
                self.move(minute, happened)

    def move(self, minute: int, happened: Fact) -> None:
        match happened.kind:
            case K.RESOLVED | K.CLOSED:
                if not self.resolution().ended:
                    self.holding.clear()
                    self.resolution().ended, self.resolution().done = True, minute
                self.drop(K.CLOSED, happened)
            case K.REOPENED:
                if self.resolution().done is not None:
                    self.resolution().ended, self.resolution().done = False, None
                    self.reopenings += 1
            case K.CANCELLED:
                self.drop(K.CANCELLED, happened)
                if not self.resolution().ended:
                    self.resolution().ended = self.resolution().dropped = True

    def drop(self, when: FactKind, happened: Fact) -> None:
        for watch in self.unanswered() if happened.kind is when else []:
            watch.ended = watch.dropped = True

    def promised(self, watch: Watch) -> list[MilestoneTarget]:
        return [each for each in self.policy.targets if each.kind is watch.kind]

    def budget(self, watch: Watch) -> int | None:
        return next((each.target.business_minutes for each in self.promised(watch)), None)

    def paused(self, watch: Watch) -> bool:
        return any(self.holding & set(each.pauses) for each in self.promised(watch))


def live(grid: Grid, open_: set[int], policy: ServiceLevelPolicy, log: list[Fact], now: int) -> Life:
    start = (log[0].occur_time - grid.first) // MINUTE
    life = Life(policy, [Watch(M.FIRST_RESPONSE, start), Watch(M.RESOLUTION, start)])
    happening: dict[int, list[Fact]] = {}
    for one in log:
        happening.setdefault((one.occur_time - grid.first) // MINUTE, []).append(one)
    for minute in range(start, now + 1):
        for one in happening.get(minute, ()):
            life.happen(minute, one)
        for watch in life.watches:
            budget = life.budget(watch)
            if not watch.ended and watch.breach is None and budget is not None and watch.history[-1] >= budget:
                watch.breach = minute
            if not watch.ended and minute < now:
                watch.history.append(watch.history[-1] + (minute in open_ and not life.paused(watch)))
            elif minute < now and watch.kind is M.RESOLUTION and watch.done is not None:
                watch.history.append(watch.history[-1])
    return life


def state_of(watch: Watch, paused: bool) -> MilestoneState:
    if watch.breach is not None:
        return S.MISSED
    if watch.ended:
        return S.MET if watch.done is not None else S.CANCELLED
    return S.PAUSED if paused else S.RUNNING


def due_minute(watch: Watch, budget: int, open_: set[int], now: int, paused: bool) -> int | None:
    """Looks back for the minute at which the budget was used up, and ahead when it was not yet."""
    for index, passed in enumerate(watch.history):
        if passed >= budget:
            return watch.started + index
    if paused and not watch.ended:
        return None
    passed = watch.history[-1]
    # Of an ended clock: when it would have been due, had it gone on.
    for minute in range(watch.done or now, 13 * 1440):
        passed += minute in open_
        if passed == budget:
            return minute + 1
    return -1


reasons = st.sampled_from(sorted(ASKED_PAUSES))
promises = st.builds(
    MilestoneTarget,
    kind=st.sampled_from(list(M)),
    target=st.integers(1, 1500).map(within),
    pauses=st.frozensets(reasons).map(tuple),
)
policies = st.lists(promises, unique_by=lambda each: each.kind).map(lambda them: ServiceLevelPolicy(tuple(them)))
happenings = st.one_of(
    st.sampled_from([K.CUSTOMER_MESSAGE, K.PUBLIC_REPLY, K.CALL]).map(lambda kind: (kind, None, None)),
    st.sampled_from([K.RESOLVED, K.REOPENED, K.CLOSED, K.RESUMED]).map(lambda kind: (kind, None, None)),
    reasons.map(lambda reason: (K.PAUSED, reason, None)),
    reasons.map(lambda reason: (K.RESUMED, reason, None)),
    policies.map(lambda policy: (K.POLICY_CHANGED, None, policy)),
    st.just((K.CANCELLED, None, None)),
)


@settings(max_examples=150)
@given(
    odd_hours(),
    policies,
    st.integers(4 * 1440, 6 * 1440),
    st.lists(st.tuples(st.integers(0, 3000), happenings), max_size=9),
    st.integers(0, 4000),
)
def test_a_replayed_log_gives_what_living_through_it_minute_by_minute_gives(
    where: tuple[BusinessHours, Grid],
    policy: ServiceLevelPolicy,
    start: int,
    happened: list[tuple[int, tuple[FactKind, PauseReason | None, ServiceLevelPolicy | None]]],
    until: int,
) -> None:
    hours, grid = where
    every_day = tuple(day or intervals("08:00-20:00") for day in hours.weekly)
    hours = BusinessHours(hours.time_zone, every_day, hours.exceptions)
    happened.sort(key=lambda one: one[0])
    log = [Fact(grid.at(start), K.CREATED)]
    log += [Fact(grid.at(start + n), kind, reason, new) for n, (kind, reason, new) in happened]
    now = start + until
    open_ = grid.open_minutes(hours)
    life = live(grid, open_, policy, log, now)
    found = evaluate(hours, policy, log, grid.at(now))
    assert len({(m.kind, m.cycle) for m in found}) == len(found)
    by_start = {(m.kind, m.start_time): m for m in found}
    for watch in life.watches:
        got = by_start.pop((watch.kind, grid.at(watch.started)), None)
        budget = life.budget(watch)
        if got is None:
            assert budget is None or watch.ended
            continue
        paused = life.paused(watch)
        assert got.state == state_of(watch, paused)
        assert got.elapsed == watch.history[-1] * MINUTE
        assert got.breach_time == (None if watch.breach is None else grid.at(watch.breach))
        assert got.complete_time == (None if watch.done is None else grid.at(watch.done))
        if budget is not None and not watch.ended:
            due = due_minute(watch, budget, open_, now, paused)
            assert due == -1 or got.due_time == (None if due is None else grid.at(due))
        assert_explained(hours, got, now=grid.at(now))
        if watch.kind is M.RESOLUTION:
            assert got.reopenings == life.reopenings
    assert not by_start


def assert_explained(hours: BusinessHours, got: CountedMilestone, now: datetime) -> None:
    """Counted and paused are the business time, each instant once."""
    assert sum((i.end_time - i.start_time for i in got.counted), timedelta()) == got.elapsed
    pieces = sorted(
        [(i.start_time, i.end_time) for i in got.counted] + [(i.start_time, i.end_time) for i in got.paused]
    )
    assert all(a[1] <= b[0] for a, b in pairwise(pieces))
    if got.state in (S.RUNNING, S.PAUSED):
        whole = business_intervals(hours, got.start_time, now)
        assert sum((b - a for a, b in pieces), timedelta()) == sum(
            (i.end_time - i.start_time for i in whole), timedelta()
        )


# The rules one by one, on a week of offices in Shanghai.


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
    assert got.elapsed == timedelta(hours=2)
    assert [(i.start_time, i.end_time, i.reason) for i in got.paused] == [(at("02 10:00"), at("02 11:00"), P.CUSTOMER)]


def test_a_customers_message_does_not_end_the_wait_for_others() -> None:
    log = [CREATED, fact("02 10:00", K.PAUSED, P.THIRD_PARTY), fact("02 10:30", K.CUSTOMER_MESSAGE)]
    assert milestone(log, "02 12:00").state is S.PAUSED


def test_there_is_no_due_time_while_paused_and_pauses_count_in_business_time_only() -> None:
    log = [CREATED, fact("02 17:00", K.PAUSED, P.CUSTOMER)]
    assert milestone(log, "03 09:30").due_time is None
    resumed = milestone([*log, fact("03 10:00", K.RESUMED, P.CUSTOMER)], "03 10:00")
    assert resumed.due_time == at("03 11:00")
    assert sum((i.end_time - i.start_time for i in resumed.paused), timedelta()) == timedelta(hours=2)


def test_after_a_reopening_the_same_clock_goes_on_without_the_time_it_was_resolved() -> None:
    log = [CREATED, fact("02 11:00", K.RESOLVED), fact("04 09:00", K.REOPENED)]
    got = milestone(log, "04 10:00")
    assert (got.state, got.elapsed, got.reopenings) == (S.RUNNING, timedelta(hours=3), 1)
    assert got.due_time == at("04 16:00")
    assert {i.reason for i in got.paused} == {P.RESOLVED}


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
    assert (got.state, got.due_time, got.elapsed) == (S.PAUSED, None, timedelta(hours=7))
    assert got.budget - got.elapsed == timedelta(hours=16)


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
    assert (got.state, got.elapsed) == (S.RUNNING, timedelta(hours=2))
    back = milestone([*log, policy_changed("02 11:30", POLICY)], "02 12:00")
    assert (back.state, back.elapsed) == (S.PAUSED, timedelta(hours=1, minutes=30))


@pytest.mark.parametrize(("minutes", "days"), [(0, 0), (1, 1), (-1, 0), (0, -1)])
def test_a_target_is_of_minutes_or_of_days(minutes: int, days: int) -> None:
    with pytest.raises(InvalidArgument, match="not both"):
        Target(business_minutes=minutes, working_days=days)
