"""The clock of service levels: a pure function of business hours, policy, a case's log and now.

A stored hold is never added to a stored due time: every answer replays the log. The set B of business time
is the calendar's; `elapsed(t)` is the part of B in [start, t) outside pauses; a target is due at the
smallest t at which elapsed(t) is the target, so one used up at closing is due at closing. An act at the due
time keeps the promise; without one the promise is broken from that instant on.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from crm_kit.working_time.business_hours import BusinessHours
from crm_kit.working_time.timeline import Timeline, timeline_of, to_instant, to_micros

from crm_service_desk.service_levels.facts import Fact
from crm_service_desk.service_levels.milestones import CountedMilestone, MilestoneState
from crm_service_desk.service_levels.model import MilestoneKind, ServiceLevelPolicy, Target, TargetEnd
from crm_service_desk.service_levels.replay import ClockRun, Pause, Replay, replay
from crm_service_desk.service_levels.time_spent import Stretch, TimeSpent

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_FOREVER = 1 << 62


class _Budget(NamedTuple):
    """A target in business microseconds; never due before `earliest`."""

    amount: int
    earliest: int


class _Term(NamedTuple):
    """The part [since, until) of a clock's life under one policy."""

    since: int
    until: int
    policy: ServiceLevelPolicy


def evaluate(
    hours: BusinessHours, policy: ServiceLevelPolicy, log: Iterable[Fact], now: datetime
) -> list[CountedMilestone]:
    """The milestones of a case as they stand at `now`: first response, resolution, then each next response.

    `policy` is in force from the creation until a POLICY_CHANGED of the log. Such a change keeps start and
    pauses and takes the new target; a breach stays the first one. A kind without a target has no milestone.
    A target is due when so much business time has run; while a pause without an end stands in the way, it is not
    due. Raises InvalidArgument for a log without CREATED, CALENDAR_INVALID when a target is not due within fifty
    years.
    """
    state = replay(policy, log, now)
    if state is None:
        return []
    timeline = timeline_of(hours)
    milestones = (_milestone(timeline, state, run, to_micros(now)) for run in state.clocks)
    return [milestone for milestone in milestones if milestone]


def _milestone(timeline: Timeline, state: Replay, run: ClockRun, now: int) -> CountedMilestone | None:
    start = to_micros(run.start)
    ended = None if run.ended is None else to_micros(run.ended)
    terms = _terms(state, start, _FOREVER if ended is None else ended)
    if not any(term.policy.target(run.kind) for term in terms):
        return None
    pauses = _pauses(state, run, terms, ended)
    running = list(_running(start, pauses))
    breach = _breach(timeline, state, run, terms, running, now)
    target = terms[-1].policy.target(run.kind)
    if target is None and breach:
        target = breach[1]
    if target is None:
        return None
    budget = _budget(timeline, start, target)
    warned = _share(budget.amount, terms[-1].policy.warning_percent)
    return CountedMilestone(
        kind=run.kind,
        cycle=run.cycle,
        state=_state(run, breach is not None, any(a <= now < b for a, b, _ in pauses)),
        target=target,
        start_time=run.start,
        due_time=_instant_or_none(_due(timeline, running, budget)),
        warning_time=_instant_or_none(_reach(timeline, running, warned)),
        breach_time=to_instant(breach[0]) if breach else None,
        complete_time=run.done,
        budget=timedelta(microseconds=budget.amount),
        time_spent=TimeSpent(timeline, tuple(running), tuple(pauses), until=now if ended is None else ended),
        reopenings=state.reopenings if run.kind is MilestoneKind.RESOLUTION else 0,
    )


def _share(amount: int, percent: int) -> int:
    # Rounded up to a whole microsecond: a warning is not early.
    return -(-amount * percent // 100)


def _state(run: ClockRun, breached: bool, paused: bool) -> MilestoneState:
    if breached:
        return MilestoneState.MISSED
    if run.done is not None:
        return MilestoneState.MET
    if run.dropped is not None:
        return MilestoneState.CANCELLED
    return MilestoneState.PAUSED if paused else MilestoneState.RUNNING


def _breach(
    timeline: Timeline, state: Replay, run: ClockRun, terms: list[_Term], running: list[tuple[int, int]], now: int
) -> tuple[int, Target] | None:
    """The first instant at which a target then in force was overdrawn, and that target."""
    ended = None if run.ended is None else to_micros(run.ended)
    # Policies come and go and come back.
    dues: dict[Target, int | None] = {}
    for term in terms:
        target = term.policy.target(run.kind)
        if target is None:
            continue
        if target not in dues:
            dues[target] = _due(timeline, running, _budget(timeline, to_micros(run.start), target))
        due = dues[target]
        if due is None:
            continue
        failed = max(due, term.since)
        if run.kind is MilestoneKind.RESOLUTION:
            failed = _after_resolved(state, failed)
        if failed <= now and failed < term.until and (ended is None or failed < ended):
            return failed, target
    return None


def _after_resolved(state: Replay, instant: int) -> int:
    """A promise kept at its due time can only be broken from the reopening on."""
    for pause in state.resolved:
        if pause.end and to_micros(pause.start) <= instant < to_micros(pause.end):
            instant = to_micros(pause.end)
    return instant


def _terms(state: Replay, start: int, end: int) -> list[_Term]:
    """The policies in force over a clock's life; the last term has no end."""
    begins = [to_micros(at) for at, _ in state.policies]
    terms = [
        _Term(max(begin, start), until, policy)
        for begin, until, (_, policy) in zip(begins, [*begins[1:], _FOREVER], state.policies, strict=True)
        if until > start and begin < max(end, start + 1) and begin < until
    ]
    return [*terms[:-1], terms[-1]._replace(until=_FOREVER)]


def _pauses(state: Replay, run: ClockRun, terms: list[_Term], ended: int | None) -> list[Stretch]:
    """What stopped this clock: each pause as far as the policy of its time lets it, and being resolved."""
    stretches = []
    begins = [term.since for term in terms]
    for pause in map(_stretch, state.pauses):
        in_force = terms[max(bisect_right(begins, pause.start) - 1, 0) : bisect_left(begins, pause.end)]
        for since, until, policy in in_force:
            if policy.pauses_for(run.kind, pause.reason):
                stretches.append(Stretch(max(pause.start, since), min(pause.end, until), pause.reason))
    if run.kind is MilestoneKind.RESOLUTION:
        stretches += map(_stretch, state.resolved)
    if ended is not None:
        stretches = [Stretch(a, min(b, ended), reason) for a, b, reason in stretches]
    return _flat(stretches)


def _flat(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Stretches without overlap: where two would, the one that began first has it."""
    flat: list[Stretch] = []
    cursor = -_FOREVER
    for begin, end, reason in sorted(stretches, key=_start_of):
        start = max(begin, cursor)
        if start < end:
            flat.append(Stretch(start, end, reason))
            cursor = end
    return flat


def _start_of(stretch: Stretch) -> int:
    return stretch.start


def _stretch(pause: Pause) -> Stretch:
    return Stretch(to_micros(pause.start), _FOREVER if pause.end is None else to_micros(pause.end), pause.reason)


def _running(start: int, pauses: list[Stretch]) -> Iterator[tuple[int, int]]:
    """[start, forever) without the pauses."""
    for pause in pauses:
        if start < pause.start:
            yield start, pause.start
        start = max(start, pause.end)
    if start < _FOREVER:
        yield start, _FOREVER


def _budget(timeline: Timeline, start: int, target: Target) -> _Budget:
    if target.business_minutes:
        return _Budget(target.business_minutes * _MINUTE, start)
    if target.end is TargetEnd.SAME_TIME:
        local = timeline.local(timeline.next_business(start))
        day = timeline.working_day_after(local.date(), target.working_days)
        rest = local.second * _SECOND + local.microsecond
        end = timeline.instant_of(day, local.hour * 60 + local.minute) + rest
    else:
        day = timeline.working_day_after(timeline.local(start).date(), target.working_days)
        end = max(closes for _, closes in timeline.day_spans(day))
    return _Budget(timeline.measure(start, end), end)


def _due(timeline: Timeline, running: list[tuple[int, int]], budget: _Budget) -> int | None:
    reached = _reach(timeline, running, budget.amount)
    if reached is None or reached >= budget.earliest:
        return reached
    # The same time of day is an instant at which nothing need be open, as 09:00 of the next day.
    return next((max(a, budget.earliest) for a, b in running if b > budget.earliest), None)


def _reach(timeline: Timeline, running: list[tuple[int, int]], amount: int) -> int | None:
    """The smallest instant with that much business time run; None when a pause stands in the way."""
    for start, end in running:
        if end == _FOREVER:
            return timeline.advance(start, amount)
        measured = timeline.measure(start, end)
        if measured >= amount:
            return timeline.advance(start, amount)
        amount -= measured
    return None


def _instant_or_none(micros: int | None) -> datetime | None:
    return None if micros is None else to_instant(micros)
