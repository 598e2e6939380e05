"""A case: what a customer asks of us, from NEW to an answer that reached them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_kit.custom_fields.values import CustomValues
from crm_kit.durations import duration_text, duration_words
from crm_kit.errors import FailedPrecondition, illegal_state, invalid_field, wrong_move
from crm_kit.zones import time_text

from crm_service_desk.calendars.model import Calendar
from crm_service_desk.cases.log import ENDINGS, MAX_LINES, CaseEvent, CaseEventKind, policy_in_force, waiting_since
from crm_service_desk.cases.milestones import Timer, TimerLevel, keep, told
from crm_service_desk.classification import CaseKind, Channel, Level, Priority, priority_of
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.facts import Fact
from crm_service_desk.service_levels.milestones import Milestone
from crm_service_desk.service_levels.model import (
    NOTHING_PROMISED,
    MilestoneKind,
    PauseReason,
    ServiceLevel,
    ServiceLevelPolicy,
)


class CaseState(StrEnum):
    """Where a case stands."""

    NEW = "NEW"
    OPEN = "OPEN"
    WAITING_CUSTOMER = "WAITING_CUSTOMER"
    WAITING_THIRD_PARTY = "WAITING_THIRD_PARTY"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"
    REOPENED = "REOPENED"
    CANCELLED = "CANCELLED"


class Medium(StrEnum):
    """How an agent's words reach the customer."""

    MESSAGE = "MESSAGE"
    CALL = "CALL"


_S = CaseState
_IN_WORK = frozenset({_S.WAITING_CUSTOMER, _S.WAITING_THIRD_PARTY, _S.RESOLVED, _S.CANCELLED})

MOVES: Mapping[CaseState, frozenset[CaseState]] = {
    _S.NEW: frozenset({_S.OPEN, _S.CANCELLED}),
    _S.OPEN: _IN_WORK,
    _S.WAITING_CUSTOMER: _IN_WORK - {_S.WAITING_CUSTOMER} | {_S.OPEN},
    _S.WAITING_THIRD_PARTY: _IN_WORK - {_S.WAITING_THIRD_PARTY} | {_S.OPEN},
    _S.RESOLVED: frozenset({_S.CLOSED, _S.REOPENED}),
    _S.CLOSED: frozenset({_S.REOPENED}),
    _S.REOPENED: _IN_WORK | {_S.OPEN},
    _S.CANCELLED: frozenset(),
}
UNWORKED = frozenset({_S.NEW, _S.REOPENED})
FINISHED = frozenset({_S.RESOLVED, _S.CLOSED, _S.CANCELLED})

_WAITS_FOR = {
    _S.WAITING_CUSTOMER: PauseReason.CUSTOMER,
    _S.WAITING_THIRD_PARTY: PauseReason.THIRD_PARTY,
}

_ARRIVALS = {
    _S.OPEN: CaseEventKind.OPENED,
    _S.WAITING_CUSTOMER: CaseEventKind.PAUSED,
    _S.WAITING_THIRD_PARTY: CaseEventKind.PAUSED,
    _S.RESOLVED: CaseEventKind.RESOLVED,
    _S.CLOSED: CaseEventKind.CLOSED,
    _S.REOPENED: CaseEventKind.REOPENED,
    _S.CANCELLED: CaseEventKind.CANCELLED,
}

# What conditions of service levels can test.
TESTED = ("kind", "priority", "impact", "urgency", "channel", "category")
# What may bring a case to another service level when it changes.
DECISIVE = ("impact", "urgency", "channel", "category", "account_id")


@dataclass(frozen=True, slots=True)
class Case:
    """Fields as in the contract. Every move returns a CaseMove and leaves this one as it was.

    A wrong move raises FailedPrecondition ILLEGAL_STATE naming the legal ones.
    """

    id: UUID
    number: str
    kind: CaseKind
    title: str
    creator_id: UUID
    calendar_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    state: CaseState = CaseState.NEW
    description: str | None = None
    account_id: UUID | None = None
    contact_id: UUID | None = None
    channel: Channel | None = None
    category: str | None = None
    impact: Level = Level.MEDIUM
    urgency: Level = Level.MEDIUM
    priority: Priority = Priority.MEDIUM
    assignee_id: UUID | None = None
    assignee_team_id: UUID | None = None
    resolution: str | None = None
    reply_time: datetime | None = None
    resolve_time: datetime | None = None
    close_time: datetime | None = None
    reopenings: int = 0
    service_level_id: UUID | None = None
    milestones: tuple[Milestone, ...] = ()
    tags: tuple[str, ...] = ()
    # The tenant's own fields by key.
    custom: CustomValues = field(default_factory=dict)
    # By which version of the calendar the running clocks were counted.
    calendar_version: int = 0
    # What was promised when it was created; what was promised since stands in its log.
    first_policy: ServiceLevelPolicy = NOTHING_PROMISED
    # How many lines its log has.
    event_count: int = 0
    # The team in which its creator was then.
    creator_team_id: UUID | None = None

    # --- what is promised

    @property
    def first_response_due_time(self) -> datetime | None:
        """By when the first response is still to be given, or had to be."""
        return self._open_due_time(MilestoneKind.FIRST_RESPONSE)

    @property
    def resolution_due_time(self) -> datetime | None:
        """By when it is still to be resolved, or had to be."""
        return self._open_due_time(MilestoneKind.RESOLUTION)

    @property
    def breached(self) -> bool:
        """Whether a promise was broken."""
        return any(each.breach_time is not None for each in self.milestones)

    def at(self, now: datetime) -> "Case":
        """As it is shown at `now`: promises that have fallen due since it was written are broken."""
        return replace(self, milestones=tuple(each.at(now) for each in self.milestones))

    def counted(self, facts: Iterable[Fact], calendar: Calendar, *, now: datetime) -> "Case":
        """With its milestones replayed from all facts of its log, as they stand at `now`."""
        counted = evaluate(calendar.business_hours, self.first_policy, facts, now)
        return replace(self, milestones=keep(self.milestones, counted, calendar), calendar_version=calendar.version)

    def milestone(self, kind: MilestoneKind) -> Milestone | None:
        """The milestone of that kind, if one was promised."""
        return next((each for each in self.milestones if each.kind is kind), None)

    def tells(self, timer: Timer, *, now: datetime) -> bool:
        """Whether there is something to tell of at `now`: a broken promise, or one soon to be."""
        kind, level = timer
        milestone = self.milestone(kind)
        if milestone is None:
            return False
        if level is TimerLevel.BREACH:
            return milestone.breach_time is not None
        return not milestone.ended and milestone.warning_time is not None and milestone.warning_time <= now

    def told(self, timer: Timer) -> "Case":
        """With what a timer tells of sent: the warning or the breach of a milestone."""
        kind, level = timer
        milestones = tuple(told(each, level) if each.kind is kind else each for each in self.milestones)
        return replace(self, milestones=milestones)

    def _open_due_time(self, kind: MilestoneKind) -> datetime | None:
        milestone = self.milestone(kind)
        return milestone.open_due_time if milestone else None

    def conditions(self, value_tier: str | None) -> dict[str, object]:
        """What conditions of service levels test; `value_tier` is that of its account."""
        return {name: getattr(self, name) for name in TESTED} | {"value_tier": value_tier}

    def on_level(self, level: ServiceLevel | None, *, default_calendar_id: UUID) -> "Case":
        """With the service level that applies, and the calendar that this one counts by."""
        return replace(
            self,
            service_level_id=level.id if level else None,
            calendar_id=(level and level.calendar_id) or default_calendar_id,
        )

    def promise(
        self, policy: ServiceLevelPolicy, facts: Iterable[Fact], *, now: datetime, actor_id: UUID
    ) -> "CaseMove":
        """Another promise than that of its log's facts; none when it is the same."""
        if policy == policy_in_force(self.first_policy, facts):
            return CaseMove(self)
        return CaseMove(self).logged(
            CaseEventKind.POLICY_CHANGED, now=now, actor_id=actor_id, policy=policy, text=self.priority
        )

    # --- what is known of it

    def update(self, values: Mapping[str, Any]) -> "Case":
        """With new values of some fields; a finished case keeps its impact and urgency: FailedPrecondition."""
        after = replace(self, **values)
        if (after.impact, after.urgency) == (self.impact, self.urgency):
            return after
        if self.state in FINISHED:
            detail = f"the priority of a case that is {self.state} cannot be changed"
            raise illegal_state("priority_fixed", detail, noun="case", state=self.state)
        return replace(after, priority=priority_of(after.impact, after.urgency))

    def may_change_level(self, before: "Case") -> bool:
        """Whether it may have come to another service level by what has changed since `before`."""
        changed = any(getattr(before, name) != getattr(self, name) for name in DECISIVE)
        return changed and self.state not in FINISHED

    # --- moves

    def created(self, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """The first line of its log; one that has an assignee is OPEN at once."""
        move = CaseMove(self).logged(CaseEventKind.CREATED, now=now, actor_id=actor_id)
        return move.then(lambda case: case.open(now=now, actor_id=actor_id)) if self.assignee_id else move

    def assign(self, assignee_id: UUID | None, team_id: UUID | None, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """Assigns it to a user, or to nobody. With an assignee, one that nobody works on is OPEN."""
        case = replace(self, assignee_id=assignee_id, assignee_team_id=team_id)
        return case.open_if_unworked(now=now, actor_id=actor_id) if assignee_id else CaseMove(case)

    def open(self, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """Somebody works on it: from NEW, REOPENED, or back from waiting."""
        return self._to(CaseState.OPEN, now=now, actor_id=actor_id)

    def open_if_unworked(self, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """OPEN if nobody works on it yet; nothing else changes."""
        return self.open(now=now, actor_id=actor_id) if self.state in UNWORKED else CaseMove(self)

    def wait_for_customer(self, text: str | None, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """Waits for the customer until their message or `open`; `text` says what for."""
        return self._to(CaseState.WAITING_CUSTOMER, now=now, actor_id=actor_id, text=text)

    def wait_for_third_party(self, text: str | None, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """Waits for a third party until `open`; `text` says whom and what for."""
        return self._to(CaseState.WAITING_THIRD_PARTY, now=now, actor_id=actor_id, text=text)

    def resolve(self, resolution: str, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """The work is done. InvalidArgument without a resolution."""
        _check_said("resolution", resolution, "say how it was resolved")
        move = self._to(CaseState.RESOLVED, now=now, actor_id=actor_id, text=resolution)
        return move.changed(resolution=resolution, resolve_time=now)

    def close(self, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """Nothing is left to do. A complaint needs a reply that reached the customer: COMPLAINT_WITHOUT_REPLY."""
        self.require_closable()
        return self._to(CaseState.CLOSED, now=now, actor_id=actor_id).changed(close_time=now)

    def reopen(self, cause: str, *, now: datetime, actor_id: UUID, window: timedelta) -> "CaseMove":
        """Takes a resolved or closed case up again, within `window` of its resolution."""
        _check_said("cause", cause, "say why it is reopened")
        self.require_reopenable(now=now, window=window)
        return self._taken_up(self._to(CaseState.REOPENED, now=now, actor_id=actor_id, text=cause))

    def cancel(self, cause: str, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """It was not a request after all, or the customer withdrew it."""
        _check_said("cause", cause, "say why it is cancelled")
        return self._to(CaseState.CANCELLED, now=now, actor_id=actor_id, text=cause)

    def reply(self, text: str, *, medium: Medium, now: datetime, actor_id: UUID) -> "CaseMove":
        """A message or a call that reached the customer; one that nobody works on is OPEN then."""
        kind = CaseEventKind.CALL if medium is Medium.CALL else CaseEventKind.PUBLIC_REPLY
        said = CaseMove(self).logged(kind, now=now, actor_id=actor_id, text=text).changed(reply_time=now)
        return said.then(lambda case: case.open_if_unworked(now=now, actor_id=actor_id))

    def note(self, text: str, *, now: datetime, actor_id: UUID) -> "CaseMove":
        """An internal note: part of the story, no reply to anybody."""
        return CaseMove(self).logged(CaseEventKind.INTERNAL_NOTE, now=now, actor_id=actor_id, text=text)

    def record_customer_message(
        self,
        text: str,
        facts: Iterable[Fact],
        *,
        send_time: datetime,
        now: datetime,
        contact_id: UUID | None,
        window: timedelta,
    ) -> "CaseMove":
        """A message of the customer, at the time it was sent. It ends waiting for them, or reopens what was resolved.

        InvalidArgument for a time before the creation or after `now`, FailedPrecondition beyond the `window`.
        """
        if not self.create_time <= send_time <= now:
            raise invalid_field("send_time", "range", "must not be before the case was created nor in the future")
        told: dict[str, Any] = {"now": now, "contact_id": contact_id or self.contact_id}
        move = CaseMove(self).logged(CaseEventKind.CUSTOMER_MESSAGE, occur_time=send_time, text=text, **told)
        if self.resolve_time is not None and send_time >= self.resolve_time:
            self.require_reopenable(now=send_time, window=window)
            back = max(send_time, self.close_time or send_time)
            move = move.logged(CaseEventKind.REOPENED, occur_time=back, **told)
            return self._taken_up(move.changed(state=CaseState.REOPENED))
        if self.state is not CaseState.WAITING_CUSTOMER:
            return move
        back = max(send_time, waiting_since(facts))
        if back > send_time:
            # It crossed our decision to wait, and so ends the waiting where it began.
            move = move.logged(CaseEventKind.RESUMED, occur_time=back, pause_reason=PauseReason.CUSTOMER, **told)
        opened = move.logged(CaseEventKind.OPENED, occur_time=back, **told)
        return opened.changed(state=CaseState.OPEN)

    def require_move(self, state: CaseState) -> None:
        """FailedPrecondition ILLEGAL_STATE, which names the legal moves, unless it can become that now."""
        legal = MOVES[self.state]
        if state not in legal:
            raise wrong_move("case", self.state, state, legal=legal)
        if _ARRIVALS[state] not in ENDINGS:
            self.require_room()

    def require_room(self) -> None:
        """FailedPrecondition when its log is full: from then on it can only be brought to its end."""
        if self.event_count >= MAX_LINES:
            detail = f"the log of the case has {MAX_LINES} lines, as many as it can have; create a new case instead"
            raise illegal_state("log_full", detail, most=MAX_LINES)

    def require_closable(self) -> None:
        """FailedPrecondition unless it is resolved, and a complaint was replied to: COMPLAINT_WITHOUT_REPLY."""
        self.require_move(CaseState.CLOSED)
        if self.kind is CaseKind.COMPLAINT and self.reply_time is None:
            raise FailedPrecondition(
                "a complaint can be closed only after a reply that reached the customer",
                reason="COMPLAINT_WITHOUT_REPLY",
            )

    def require_reopenable(self, *, now: datetime, window: timedelta) -> None:
        """FailedPrecondition unless it was resolved at most `window` ago."""
        self.require_move(CaseState.REOPENED)
        assert self.resolve_time is not None
        if now - self.resolve_time > window:
            resolved = time_text(self.resolve_time)
            detail = f"it was resolved at {resolved}, more than {duration_words(window)} ago: create a new case instead"
            raise illegal_state("reopen_window_over", detail, resolve_time=resolved, window=duration_text(window))

    def _taken_up(self, move: "CaseMove") -> "CaseMove":
        return move.changed(resolve_time=None, close_time=None, reopenings=self.reopenings + 1)

    def _to(self, state: CaseState, *, now: datetime, actor_id: UUID, text: str | None = None) -> "CaseMove":
        self.require_move(state)
        move = CaseMove(self)
        if self.state in _WAITS_FOR:
            reason = _WAITS_FOR[self.state]
            move = move.logged(CaseEventKind.RESUMED, now=now, actor_id=actor_id, pause_reason=reason)
        arrival, reason_or_none = _ARRIVALS[state], _WAITS_FOR.get(state)
        move = move.logged(arrival, now=now, actor_id=actor_id, text=text, pause_reason=reason_or_none)
        return move.changed(state=state)


@dataclass(frozen=True, slots=True)
class CaseMove:
    """A case after a move, and the lines that the move adds to its log."""

    case: Case
    events: tuple[CaseEvent, ...] = ()

    def logged(
        self, kind: CaseEventKind, *, now: datetime, occur_time: datetime | None = None, **fields: Any
    ) -> "CaseMove":
        """With one more line, recorded `now`; it happened then, too, unless another time is given.

        FailedPrecondition when the log is full, unless it is how the case ends.
        """
        if kind not in ENDINGS:
            self.case.require_room()
        case = replace(self.case, event_count=self.case.event_count + 1)
        event = CaseEvent(case.event_count, kind, occur_time=occur_time or now, record_time=now, **fields)
        return CaseMove(case, (*self.events, event))

    def changed(self, **values: Any) -> "CaseMove":
        """With new values of some fields of the case."""
        return CaseMove(replace(self.case, **values), self.events)

    def then(self, act: Callable[[Case], "CaseMove"]) -> "CaseMove":
        """With what another move adds."""
        further = act(self.case)
        return CaseMove(further.case, (*self.events, *further.events))


def case_number(year: int, sequence: int) -> str:
    """`C-2026-000123`; numbers over a million get longer. `sequence` counts per tenant and year from 1."""
    return f"C-{year}-{sequence:06d}"


def _check_said(field: str, text: str, missing: str) -> None:
    if not text.strip():
        raise invalid_field(field, "required", missing)
