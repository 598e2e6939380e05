"""A case: what a customer asks of us, from NEW to an answer that reached them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from crm_kit.errors import FailedPrecondition, invalid_field

from crm_service_desk.service_levels.model import CaseEvent, CaseEventKind, PauseReason, ServiceLevelPolicy


class CaseKind(StrEnum):
    """What sort of request it is."""

    INQUIRY = "INQUIRY"
    COMPLAINT = "COMPLAINT"
    REPAIR = "REPAIR"
    RETURN_EXCHANGE = "RETURN_EXCHANGE"
    SERVICE_REQUEST = "SERVICE_REQUEST"
    SUGGESTION = "SUGGESTION"
    PROCESS = "PROCESS"


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
    MERGED = "MERGED"


class Level(StrEnum):
    """How much is hit (impact), or how soon it hurts (urgency)."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Priority(StrEnum):
    """From impact and urgency."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Channel(StrEnum):
    """How an agent's words reach the customer."""

    MESSAGE = "MESSAGE"
    CALL = "CALL"


_S = CaseState
_IN_WORK = frozenset({_S.WAITING_CUSTOMER, _S.WAITING_THIRD_PARTY, _S.RESOLVED, _S.CANCELLED, _S.MERGED})

MOVES: dict[CaseState, frozenset[CaseState]] = {
    _S.NEW: frozenset({_S.OPEN, _S.CANCELLED, _S.MERGED}),
    _S.OPEN: _IN_WORK,
    _S.WAITING_CUSTOMER: _IN_WORK - {_S.WAITING_CUSTOMER} | {_S.OPEN},
    _S.WAITING_THIRD_PARTY: _IN_WORK - {_S.WAITING_THIRD_PARTY} | {_S.OPEN},
    _S.RESOLVED: frozenset({_S.CLOSED, _S.REOPENED}),
    _S.CLOSED: frozenset({_S.REOPENED}),
    _S.REOPENED: _IN_WORK | {_S.OPEN},
    _S.CANCELLED: frozenset(),
    _S.MERGED: frozenset(),
}

_WAITS_FOR = {
    _S.WAITING_CUSTOMER: PauseReason.CUSTOMER,
    _S.WAITING_THIRD_PARTY: PauseReason.THIRD_PARTY,
}

_ARRIVALS = {
    _S.OPEN: CaseEventKind.OPENED,
    _S.RESOLVED: CaseEventKind.RESOLVED,
    _S.CLOSED: CaseEventKind.CLOSED,
    _S.REOPENED: CaseEventKind.REOPENED,
    _S.CANCELLED: CaseEventKind.CANCELLED,
    _S.MERGED: CaseEventKind.MERGED,
}


@dataclass(frozen=True, slots=True)
class ComplaintHandling:
    """What a complaint carries besides: the judgement, who answers for it, what will be done, who agreed."""

    justified: bool | None = None
    responsible_department: str = ""
    handling_plan: str = ""
    plan_approved_by: str = ""
    plan_approve_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A case. Every method that changes it returns a CaseMove and leaves this one as it was.

    A wrong move raises FailedPrecondition ILLEGAL_STATE naming the legal ones.
    """

    id: str
    kind: CaseKind
    state: CaseState
    create_time: datetime
    impact: Level = Level.MEDIUM
    urgency: Level = Level.MEDIUM
    complaint: ComplaintHandling | None = None
    resolution: str = ""
    resolve_time: datetime | None = None
    close_time: datetime | None = None
    reopenings: int = 0
    reply_time: datetime | None = None
    merged_into_id: str = ""

    @property
    def priority(self) -> Priority:
        return priority_of(self.impact, self.urgency)

    def open(self, *, now: datetime, actor_id: str) -> "CaseMove":
        """Somebody works on it: from NEW, REOPENED, or back from waiting."""
        return self._to(CaseState.OPEN, now, actor_id)

    def wait_for_customer(self, *, now: datetime, actor_id: str) -> "CaseMove":
        """The ball is with the customer until their message or `open`."""
        return self._to(CaseState.WAITING_CUSTOMER, now, actor_id)

    def wait_for_third_party(self, *, now: datetime, actor_id: str) -> "CaseMove":
        """The ball is with a third party until `open`."""
        return self._to(CaseState.WAITING_THIRD_PARTY, now, actor_id)

    def resolve(self, resolution: str, *, now: datetime, actor_id: str) -> "CaseMove":
        """The work is done. InvalidArgument without a resolution."""
        if not resolution.strip():
            raise invalid_field("resolution", "required", "say how it was resolved")
        move = self._to(CaseState.RESOLVED, now, actor_id, resolution)
        return CaseMove(replace(move.case, resolution=resolution, resolve_time=now), move.events)

    def close(self, *, now: datetime, actor_id: str) -> "CaseMove":
        """Nothing is left to do. A complaint needs a reply that reached the customer: COMPLAINT_WITHOUT_REPLY."""
        move = self._to(CaseState.CLOSED, now, actor_id)
        if self.kind is CaseKind.COMPLAINT and self.reply_time is None:
            raise FailedPrecondition(
                "a complaint closes only after a reply that reached the customer",
                reason="COMPLAINT_WITHOUT_REPLY",
            )
        return CaseMove(replace(move.case, close_time=now), move.events)

    def reopen(self, reason: str, *, now: datetime, actor_id: str, window: timedelta) -> "CaseMove":
        """Takes a resolved or closed case up again, within `window` of its resolution."""
        if not reason.strip():
            raise invalid_field("reason", "required", "say why it is taken up again")
        move = self._to(CaseState.REOPENED, now, actor_id, reason)
        assert self.resolve_time is not None
        if now - self.resolve_time > window:
            raise FailedPrecondition(
                f"a case can be reopened for {window} after its resolution at {self.resolve_time.isoformat()}; "
                "create a new one that follows it"
            )
        case = replace(move.case, resolve_time=None, close_time=None, reopenings=self.reopenings + 1)
        return CaseMove(case, move.events)

    def cancel(self, reason: str, *, now: datetime, actor_id: str) -> "CaseMove":
        """It was not a request after all, or the customer took it back."""
        if not reason.strip():
            raise invalid_field("reason", "required", "say why it is cancelled")
        return self._to(CaseState.CANCELLED, now, actor_id, reason)

    def merge_into(self, other_id: str, *, now: datetime, actor_id: str) -> "CaseMove":
        """Another case carries on for this one."""
        if other_id == self.id:
            raise invalid_field("into_id", "other", "a case cannot be merged into itself")
        move = self._to(CaseState.MERGED, now, actor_id, other_id)
        return CaseMove(replace(move.case, merged_into_id=other_id), move.events)

    def customer_message(self, *, sent: datetime, contact_id: str) -> "CaseMove":
        """A message of the customer, at the time it was sent; ends waiting for them at that time."""
        message = CaseEvent(sent, CaseEventKind.CUSTOMER_MESSAGE, actor_id=contact_id)
        if self.state is not CaseState.WAITING_CUSTOMER:
            return CaseMove(self, (message,))
        opened = CaseEvent(sent, CaseEventKind.OPENED, actor_id=contact_id)
        return CaseMove(replace(self, state=CaseState.OPEN), (message, opened))

    def reply(
        self, *, now: datetime, actor_id: str, channel: Channel = Channel.MESSAGE, reached: bool = True
    ) -> "CaseMove":
        """A public message or a call of an agent; `reached` False when it came back or nobody answered."""
        spoken = CaseEventKind.CALL if channel is Channel.CALL else CaseEventKind.PUBLIC_REPLY
        if not reached:
            return CaseMove(
                self, (CaseEvent(now, CaseEventKind.INTERNAL_NOTE, actor_id=actor_id, detail="not reached"),)
            )
        return CaseMove(replace(self, reply_time=now), (CaseEvent(now, spoken, actor_id=actor_id),))

    def note(self, *, now: datetime, actor_id: str) -> "CaseMove":
        """An internal note: part of the story, no answer to anybody."""
        return CaseMove(self, (CaseEvent(now, CaseEventKind.INTERNAL_NOTE, actor_id=actor_id),))

    def pause(self, reason: PauseReason, *, now: datetime, actor_id: str) -> "CaseMove":
        """Approval or force majeure holds the case up, whatever its state; waiting has moves of its own."""
        if reason not in (PauseReason.APPROVAL, PauseReason.FORCE_MAJEURE):
            raise invalid_field("reason", "pause_reason", f"{reason} is a state of its own: wait for it")
        self._require_unfinished("paused")
        return CaseMove(self, (CaseEvent(now, CaseEventKind.PAUSED, reason, actor_id=actor_id),))

    def resume(self, reason: PauseReason, *, now: datetime, actor_id: str) -> "CaseMove":
        """Ends what `pause` began."""
        if reason not in (PauseReason.APPROVAL, PauseReason.FORCE_MAJEURE):
            raise invalid_field("reason", "pause_reason", f"{reason} ends when the case is opened")
        self._require_unfinished("resumed")
        return CaseMove(self, (CaseEvent(now, CaseEventKind.RESUMED, reason, actor_id=actor_id),))

    def set_priority(
        self, impact: Level, urgency: Level, policy: ServiceLevelPolicy | None, *, now: datetime, actor_id: str
    ) -> "CaseMove":
        """Changes impact and urgency; `policy` is what then applies, None when it stays the same."""
        self._require_unfinished("prioritised")
        changed = replace(self, impact=impact, urgency=urgency)
        if policy is None:
            return CaseMove(changed, ())
        event = CaseEvent(now, CaseEventKind.POLICY_CHANGED, policy=policy, actor_id=actor_id, detail=changed.priority)
        return CaseMove(changed, (event,))

    def judge(self, *, justified: bool, responsible_department: str) -> Self:
        """Whether the complaint is justified, and which department answers for it."""
        if not responsible_department.strip():
            raise invalid_field("responsible_department", "required", "say which department answers for it")
        handling = self._handling()
        return replace(
            self,
            complaint=replace(handling, justified=justified, responsible_department=responsible_department),
        )

    def plan_handling(self, handling_plan: str) -> Self:
        """What will be done. A new plan needs a new approval."""
        if not handling_plan.strip():
            raise invalid_field("handling_plan", "required", "say what will be done")
        plan = replace(self._handling(), handling_plan=handling_plan, plan_approved_by="", plan_approve_time=None)
        return replace(self, complaint=plan)

    def approve_plan(self, *, now: datetime, actor_id: str) -> Self:
        """Agrees to the handling plan."""
        handling = self._handling()
        if not handling.handling_plan:
            raise FailedPrecondition("there is no handling plan to approve")
        return replace(self, complaint=replace(handling, plan_approved_by=actor_id, plan_approve_time=now))

    def _handling(self) -> ComplaintHandling:
        if self.kind is not CaseKind.COMPLAINT:
            raise FailedPrecondition(f"only a COMPLAINT has this, the case is of kind {self.kind}")
        self._require_unfinished("handled as a complaint")
        return self.complaint or ComplaintHandling()

    def _require_unfinished(self, done: str) -> None:
        if self.state in (CaseState.CLOSED, CaseState.CANCELLED, CaseState.MERGED, CaseState.RESOLVED):
            raise FailedPrecondition(f"a case that is {self.state} cannot be {done}")

    def _to(self, state: CaseState, now: datetime, actor_id: str, detail: str = "") -> "CaseMove":
        legal = MOVES[self.state]
        if state not in legal:
            named = ", ".join(sorted(legal)) or "none"
            raise FailedPrecondition(f"a case that is {self.state} cannot become {state}; it can become: {named}")
        events = []
        if self.state in _WAITS_FOR:
            events.append(CaseEvent(now, CaseEventKind.RESUMED, _WAITS_FOR[self.state], actor_id=actor_id))
        if state in _WAITS_FOR:
            events.append(CaseEvent(now, CaseEventKind.PAUSED, _WAITS_FOR[state], actor_id=actor_id, detail=detail))
        else:
            events.append(CaseEvent(now, _ARRIVALS[state], actor_id=actor_id, detail=detail))
        return CaseMove(replace(self, state=state), tuple(events))


@dataclass(frozen=True, slots=True)
class CaseMove:
    """The case after a move, and the lines to append to its log."""

    case: Case
    events: tuple[CaseEvent, ...]


def create_case(
    id: str,
    kind: CaseKind,
    *,
    now: datetime,
    impact: Level = Level.MEDIUM,
    urgency: Level = Level.MEDIUM,
    actor_id: str = "",
) -> CaseMove:
    """A NEW case and the first line of its log."""
    case = Case(id=id, kind=kind, state=CaseState.NEW, create_time=now, impact=impact, urgency=urgency)
    return CaseMove(case, (CaseEvent(now, CaseEventKind.CREATED, actor_id=actor_id),))


def priority_of(impact: Level, urgency: Level) -> Priority:
    """ITIL's matrix: both HIGH is CRITICAL, one step less on either side is one priority less, down to LOW."""
    steps = list(Level).index(impact) + list(Level).index(urgency)
    return list(Priority)[min(steps, len(Priority) - 1)]


def case_number(year: int, sequence: int) -> str:
    """`C-2026-000123`; numbers over a million get longer. `sequence` counts per tenant and year from 1."""
    return f"C-{year}-{sequence:06d}"
