"""Promised times: targets, policies, the case's log that a clock replays, and the milestone it yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from crm_kit.errors import InvalidArgument, invalid_field

from crm_service_desk.calendars.model import BusinessInterval

WARNING_PERCENT = 75


class MilestoneKind(StrEnum):
    """What is promised a time for."""

    FIRST_RESPONSE = "FIRST_RESPONSE"
    NEXT_RESPONSE = "NEXT_RESPONSE"
    RESOLUTION = "RESOLUTION"


class PauseReason(StrEnum):
    """Who has the ball while a clock is paused. RESOLVED is never asked for: the time until a reopening."""

    CUSTOMER = "CUSTOMER"
    THIRD_PARTY = "THIRD_PARTY"
    APPROVAL = "APPROVAL"
    FORCE_MAJEURE = "FORCE_MAJEURE"
    RESOLVED = "RESOLVED"


ASKED_PAUSES = frozenset(PauseReason) - {PauseReason.RESOLVED}


class WorkingDayEnd(StrEnum):
    """Where in the last working day a target of working days ends."""

    CLOSE_OF_DAY = "CLOSE_OF_DAY"
    SAME_TIME = "SAME_TIME"


@dataclass(frozen=True, slots=True)
class BusinessTime:
    """A target in seconds of business time, at least 1."""

    seconds: int

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise _invalid("target.seconds", "positive", f"{self.seconds} is not at least 1")


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """A target of working days after the day of the start, which never counts itself, at least 1.

    CLOSE_OF_DAY ends with the business hours of the last day. SAME_TIME ends at the start's time of day; a
    start outside business time counts from the next opening.
    """

    days: int
    end: WorkingDayEnd = WorkingDayEnd.CLOSE_OF_DAY

    def __post_init__(self) -> None:
        if self.days < 1:
            raise _invalid("target.days", "positive", f"{self.days} is not at least 1")


Target = BusinessTime | WorkingDays

DEFAULT_PAUSES: Mapping[MilestoneKind, frozenset[PauseReason]] = MappingProxyType(
    {MilestoneKind.RESOLUTION: ASKED_PAUSES}
)


@dataclass(frozen=True, slots=True)
class ServiceLevelPolicy:
    """What is promised: a target for each kind, which reasons pause which clock, when to warn.

    By default RESOLUTION pauses for every reason and the responses for none. Raises InvalidArgument
    CALENDAR_INVALID for a share outside 1 to 99 percent or for a pause that cannot be asked for.
    """

    targets: Mapping[MilestoneKind, Target]
    pauses: Mapping[MilestoneKind, frozenset[PauseReason]] = field(default_factory=lambda: DEFAULT_PAUSES)
    warning_percent: int = WARNING_PERCENT

    def __post_init__(self) -> None:
        if not 1 <= self.warning_percent <= 99:
            raise _invalid("warning_percent", "share", f"{self.warning_percent} is not from 1 to 99")
        for kind, reasons in self.pauses.items():
            if not reasons <= ASKED_PAUSES:
                raise _invalid(f"pauses.{kind}", "pause_reason", "RESOLVED pauses by itself")

    def pauses_for(self, kind: MilestoneKind, reason: PauseReason) -> bool:
        return reason in self.pauses.get(kind, frozenset())


class CaseEventKind(StrEnum):
    """What happened on a case. Only some kinds move a clock; the others are its story."""

    CREATED = "CREATED"
    OPENED = "OPENED"
    CUSTOMER_MESSAGE = "CUSTOMER_MESSAGE"
    PUBLIC_REPLY = "PUBLIC_REPLY"
    CALL = "CALL"
    INTERNAL_NOTE = "INTERNAL_NOTE"
    AUTOMATIC_REPLY = "AUTOMATIC_REPLY"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    POLICY_CHANGED = "POLICY_CHANGED"
    RESOLVED = "RESOLVED"
    REOPENED = "REOPENED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    MERGED = "MERGED"


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One line of a case's log, at the time it happened (a customer's message: when it was sent).

    `pause_reason` says what a PAUSED begins and a RESUMED ends (None: all); `policy` is what a
    POLICY_CHANGED brings into force.
    """

    at: datetime
    kind: CaseEventKind
    pause_reason: PauseReason | None = None
    policy: ServiceLevelPolicy | None = None
    actor_id: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise _invalid("event.at", "instant", f"{self.at} has no time zone")
        if self.kind is CaseEventKind.PAUSED and self.pause_reason not in ASKED_PAUSES:
            raise _invalid("event.pause_reason", "pause_reason", "a pause needs the reason it is for")
        if self.kind is CaseEventKind.POLICY_CHANGED and self.policy is None:
            raise _invalid("event.policy", "required", "a change of policy brings the new policy")


class MilestoneState(StrEnum):
    """Where a promise stands. MISSED stays, whatever happens after; CANCELLED fell away with its case."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    MET = "MET"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which a clock may stand still; `end` None while it lasts."""

    start: datetime
    end: datetime | None
    reason: PauseReason


@dataclass(frozen=True, slots=True)
class PausedInterval:
    """Business time that did not count, and who had the ball."""

    start: datetime
    end: datetime
    reason: PauseReason


@dataclass(frozen=True, slots=True)
class Milestone:
    """One promise on one case, as it stood at the `now` it was asked for.

    `cycle` numbers the NEXT_RESPONSE records from 1. `budget` is the target in business time (of a target of
    working days: from start to its end); `elapsed` is what counted so far. `due_time` and a `warning_time`
    that was not reached are None while paused. `counted` and `paused` together are the business time from
    the start to the end of the clock or now.
    """

    kind: MilestoneKind
    cycle: int
    state: MilestoneState
    target: Target
    start_time: datetime
    due_time: datetime | None
    warning_time: datetime | None
    breach_time: datetime | None
    completed_time: datetime | None
    budget: timedelta
    elapsed: timedelta
    counted: tuple[BusinessInterval, ...]
    paused: tuple[PausedInterval, ...]
    reopenings: int = 0

    @property
    def remaining(self) -> timedelta:
        """Business time left; negative when overdrawn."""
        return self.budget - self.elapsed


def _invalid(name: str, rule: str, detail: str) -> InvalidArgument:
    return invalid_field(f"service_level.{name}", rule, detail, reason="CALENDAR_INVALID")
