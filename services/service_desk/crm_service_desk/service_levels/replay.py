"""From a case's log to the clocks it started: when each began, ended and may have been paused."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from crm_kit.errors import invalid_field

from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.model import MilestoneKind, PauseReason, ServiceLevelPolicy


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which a clock may be paused; `end` None while it lasts."""

    start: datetime
    end: datetime | None
    reason: PauseReason


@dataclass(slots=True)
class ClockRun:
    """One clock: `done` when what was promised was done, `dropped` when it was no longer owed."""

    kind: MilestoneKind
    cycle: int
    start: datetime
    done: datetime | None = None
    dropped: datetime | None = None

    @property
    def ended(self) -> datetime | None:
        return self.done or self.dropped


@dataclass(slots=True)
class Replay:
    """The state of a replayed log; `pauses` and `resolved` lie in the order they began."""

    created: datetime
    policies: list[tuple[datetime, ServiceLevelPolicy]]
    clocks: list[ClockRun]
    pauses: list[Pause] = field(default_factory=list)
    # Where among the pauses the one for a reason is that lasts.
    lasting: dict[PauseReason, int] = field(default_factory=dict)
    resolved: list[Pause] = field(default_factory=list)
    reopenings: int = 0

    @property
    def first_response(self) -> ClockRun:
        return self.clocks[0]

    @property
    def resolution(self) -> ClockRun:
        return self.clocks[1]

    @property
    def open_cycle(self) -> ClockRun | None:
        """The NEXT_RESPONSE clock that waits for an answer."""
        last = self.clocks[-1]
        return last if last.kind is MilestoneKind.NEXT_RESPONSE and last.ended is None else None


def replay(policy: ServiceLevelPolicy, log: Iterable[Fact], now: datetime) -> Replay | None:
    """Replays what happened up to `now`; None when the case did not exist then.

    `policy` is in force from the creation. Facts are taken by their time, those of one instant in the
    order given. Raises InvalidArgument for a log without CREATED.
    """
    facts = sorted(log, key=_time_of)
    created = next((fact.occur_time for fact in facts if fact.kind is FactKind.CREATED), None)
    if created is None:
        raise invalid_field("facts", "created", "the log of a case begins with CREATED")
    if created > now:
        return None
    state = Replay(
        created=created,
        policies=[(created, policy)],
        clocks=[
            ClockRun(MilestoneKind.FIRST_RESPONSE, 1, created),
            ClockRun(MilestoneKind.RESOLUTION, 1, created),
        ],
    )
    for fact in facts:
        step = _STEPS.get(fact.kind)
        if step is not None and created <= fact.occur_time <= now:
            step(state, fact)
    return state


def _time_of(fact: Fact) -> datetime:
    return fact.occur_time


def _customer_message(state: Replay, fact: Fact) -> None:
    _end_pauses(state, fact.occur_time, PauseReason.CUSTOMER)
    # The message that created the case is what the first response answers.
    answerable = fact.occur_time > state.created and state.resolution.dropped is None
    if answerable and state.open_cycle is None:
        # After the first response and the resolution come the next responses alone.
        cycle = len(state.clocks) - 1
        state.clocks.append(ClockRun(MilestoneKind.NEXT_RESPONSE, cycle, fact.occur_time))


def _reply(state: Replay, fact: Fact) -> None:
    if state.first_response.ended is None:
        state.first_response.done = fact.occur_time
    if state.open_cycle:
        state.open_cycle.done = fact.occur_time


def _pause(state: Replay, fact: Fact) -> None:
    assert fact.pause_reason is not None
    if fact.pause_reason not in state.lasting:
        state.lasting[fact.pause_reason] = len(state.pauses)
        state.pauses.append(Pause(fact.occur_time, None, fact.pause_reason))


def _resume(state: Replay, fact: Fact) -> None:
    _end_pauses(state, fact.occur_time, fact.pause_reason)


def _end_pauses(state: Replay, at: datetime, reason: PauseReason | None = None) -> None:
    for each in list(state.lasting) if reason is None else [reason]:
        index = state.lasting.pop(each, None)
        if index is not None:
            state.pauses[index] = Pause(state.pauses[index].start, at, each)


def _resolve(state: Replay, fact: Fact) -> None:
    if state.resolution.ended is None:
        _end_pauses(state, fact.occur_time)
        state.resolution.done = fact.occur_time
        state.resolved.append(Pause(fact.occur_time, None, PauseReason.RESOLVED))


def _reopen(state: Replay, fact: Fact) -> None:
    if state.resolution.done is not None:
        state.resolution.done = None
        state.resolved[-1] = Pause(state.resolved[-1].start, fact.occur_time, PauseReason.RESOLVED)
        state.reopenings += 1


def _close(state: Replay, fact: Fact) -> None:
    _resolve(state, fact)
    _drop_unanswered(state, fact.occur_time)


def _give_up(state: Replay, fact: Fact) -> None:
    _drop_unanswered(state, fact.occur_time)
    if state.resolution.ended is None:
        state.resolution.dropped = fact.occur_time


def _drop_unanswered(state: Replay, at: datetime) -> None:
    for clock in state.clocks:
        if clock.kind is not MilestoneKind.RESOLUTION and clock.ended is None:
            clock.dropped = at


def _change_policy(state: Replay, fact: Fact) -> None:
    assert fact.policy is not None
    state.policies.append((fact.occur_time, fact.policy))


_STEPS: dict[FactKind, Callable[[Replay, Fact], None]] = {
    FactKind.CUSTOMER_MESSAGE: _customer_message,
    FactKind.PUBLIC_REPLY: _reply,
    FactKind.CALL: _reply,
    FactKind.PAUSED: _pause,
    FactKind.RESUMED: _resume,
    FactKind.RESOLVED: _resolve,
    FactKind.REOPENED: _reopen,
    FactKind.CLOSED: _close,
    FactKind.CANCELLED: _give_up,
    FactKind.POLICY_CHANGED: _change_policy,
}
