"""The clock against a case that is lived through minute by minute."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from crm_kit.working_time.business_hours import BusinessHours
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.milestones import CountedMilestone, MilestoneState
from crm_service_desk.service_levels.model import (
    ASKED_PAUSES,
    MilestoneKind,
    MilestoneTarget,
    PauseReason,
    ServiceLevelPolicy,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.kit.grid import MINUTE, Grid, odd_hours
from tests.unit.service_desk.counting import business_intervals, intervals, within

K, M, S, P = FactKind, MilestoneKind, MilestoneState, PauseReason


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
        assert got.time_spent.elapsed == watch.history[-1] * MINUTE
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
    assert sum((i.end_time - i.start_time for i in got.time_spent.counted), timedelta()) == got.time_spent.elapsed
    pieces = sorted(
        [(i.start_time, i.end_time) for i in got.time_spent.counted]
        + [(i.start_time, i.end_time) for i in got.time_spent.paused]
    )
    assert all(a[1] <= b[0] for a, b in pairwise(pieces))
    if got.state in (S.RUNNING, S.PAUSED):
        whole = business_intervals(hours, got.start_time, now)
        assert sum((b - a for a, b in pieces), timedelta()) == sum(
            (i.end_time - i.start_time for i in whole), timedelta()
        )
