"""From a case's log to the clocks it started: when each began, ended and may have been paused."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from crm_kit.errors import invalid_field

from crm_service_desk.service_levels.model import (
    CaseEvent,
    CaseEventKind,
    MilestoneKind,
    Pause,
    PauseReason,
    ServiceLevelPolicy,
)


@dataclass(slots=True)
class ClockRun:
    """One clock: `done` when the promise was kept or broken by an act, `dropped` when it fell away."""

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


def replay(policy: ServiceLevelPolicy, log: Iterable[CaseEvent], now: datetime) -> Replay | None:
    """Replays what happened up to `now`; None when the case did not exist then.

    `policy` is in force from the creation. Events are taken by their time, those of one instant in the
    order given. Raises InvalidArgument for a log without CREATED.
    """
    events = sorted(log, key=_time_of)
    created = next((event.at for event in events if event.kind is CaseEventKind.CREATED), None)
    if created is None:
        raise invalid_field("log", "created", "the log of a case begins with CREATED")
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
    for event in events:
        step = _STEPS.get(event.kind)
        if step is not None and created <= event.at <= now:
            step(state, event)
    return state


def _time_of(event: CaseEvent) -> datetime:
    return event.at


def _customer_message(state: Replay, event: CaseEvent) -> None:
    _end_pauses(state, event.at, PauseReason.CUSTOMER)
    # The message that created the case is what the first response answers.
    answerable = event.at > state.created and state.resolution.dropped is None
    if answerable and state.open_cycle is None:
        cycle = sum(clock.kind is MilestoneKind.NEXT_RESPONSE for clock in state.clocks) + 1
        state.clocks.append(ClockRun(MilestoneKind.NEXT_RESPONSE, cycle, event.at))


def _reply(state: Replay, event: CaseEvent) -> None:
    if state.first_response.ended is None:
        state.first_response.done = event.at
    if state.open_cycle:
        state.open_cycle.done = event.at


def _pause(state: Replay, event: CaseEvent) -> None:
    assert event.pause_reason is not None
    if all(pause.end or pause.reason is not event.pause_reason for pause in state.pauses):
        state.pauses.append(Pause(event.at, None, event.pause_reason))


def _resume(state: Replay, event: CaseEvent) -> None:
    _end_pauses(state, event.at, event.pause_reason)


def _end_pauses(state: Replay, at: datetime, reason: PauseReason | None = None) -> None:
    state.pauses = [
        Pause(pause.start, at, pause.reason) if pause.end is None and reason in (None, pause.reason) else pause
        for pause in state.pauses
    ]


def _resolve(state: Replay, event: CaseEvent) -> None:
    if state.resolution.ended is None:
        _end_pauses(state, event.at)
        state.resolution.done = event.at
        state.resolved.append(Pause(event.at, None, PauseReason.RESOLVED))


def _reopen(state: Replay, event: CaseEvent) -> None:
    if state.resolution.done is not None:
        state.resolution.done = None
        state.resolved[-1] = Pause(state.resolved[-1].start, event.at, PauseReason.RESOLVED)
        state.reopenings += 1


def _close(state: Replay, event: CaseEvent) -> None:
    _resolve(state, event)
    _drop_unanswered(state, event.at)


def _give_up(state: Replay, event: CaseEvent) -> None:
    _drop_unanswered(state, event.at)
    if state.resolution.ended is None:
        state.resolution.dropped = event.at


def _drop_unanswered(state: Replay, at: datetime) -> None:
    for clock in state.clocks:
        if clock.kind is not MilestoneKind.RESOLUTION and clock.ended is None:
            clock.dropped = at


def _change_policy(state: Replay, event: CaseEvent) -> None:
    assert event.policy is not None
    state.policies.append((event.at, event.policy))


_STEPS: dict[CaseEventKind, Callable[[Replay, CaseEvent], None]] = {
    CaseEventKind.CUSTOMER_MESSAGE: _customer_message,
    CaseEventKind.PUBLIC_REPLY: _reply,
    CaseEventKind.CALL: _reply,
    CaseEventKind.PAUSED: _pause,
    CaseEventKind.RESUMED: _resume,
    CaseEventKind.RESOLVED: _resolve,
    CaseEventKind.REOPENED: _reopen,
    CaseEventKind.CLOSED: _close,
    CaseEventKind.CANCELLED: _give_up,
    CaseEventKind.MERGED: _give_up,
    CaseEventKind.POLICY_CHANGED: _change_policy,
}
