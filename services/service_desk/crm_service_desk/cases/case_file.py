"""A case with everything that belongs to it: whose it is, what was promised, and how that stands."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_service_desk.calendars.model import Calendar
from crm_service_desk.cases.milestones import KeptMilestone, keep
from crm_service_desk.cases.model import (
    Case,
    CaseKind,
    CaseMove,
    CaseState,
    ComplaintHandling,
    Level,
    Priority,
    priority_of,
)
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.model import CaseEvent, MilestoneKind, MilestoneState, ServiceLevelPolicy
from crm_service_desk.service_levels.service_level import policy_from

# What a move of the case may change.
MOVED = tuple(field.name for field in dataclasses.fields(Case) if field.name not in {"id", "create_time"})
FINISHED = frozenset({CaseState.RESOLVED, CaseState.CLOSED, CaseState.CANCELLED, CaseState.MERGED})
# What the service level is chosen by.
DECISIVE = ("kind", "impact", "urgency", "channel", "category", "account_id")


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Fields as in the contract; text that is not known is None. `first_policy` is JSON of `stored_policy`."""

    id: UUID
    number: str
    kind: CaseKind
    title: str
    state: CaseState
    creator_id: UUID
    calendar_id: UUID
    calendar_version: int
    first_policy: Mapping[str, Any]
    create_time: datetime
    update_time: datetime
    version: int = 1
    description: str | None = None
    account_id: UUID | None = None
    contact_id: UUID | None = None
    channel: str | None = None
    category: str | None = None
    impact: Level = Level.MEDIUM
    urgency: Level = Level.MEDIUM
    priority: Priority = Priority.MEDIUM
    tags: tuple[str, ...] = ()
    assignee_id: UUID | None = None
    assignee_team_id: UUID | None = None
    complaint: ComplaintHandling | None = None
    resolution: str = ""
    reply_time: datetime | None = None
    resolve_time: datetime | None = None
    close_time: datetime | None = None
    reopenings: int = 0
    merged_into_id: str = ""
    service_level_id: UUID | None = None
    milestones: tuple[KeptMilestone, ...] = ()
    first_response_due_time: datetime | None = None
    resolution_due_time: datetime | None = None
    breached: bool = False
    event_count: int = 0

    @property
    def case(self) -> Case:
        """What the rules of cases know of it."""
        return Case(id=str(self.id), create_time=self.create_time, **{name: getattr(self, name) for name in MOVED})

    def after(self, move: CaseMove) -> "CaseFile":
        """As a move leaves it, its log longer by the move's events; its milestones are yet to be counted."""
        moved: dict[str, Any] = {name: getattr(move.case, name) for name in MOVED}
        return replace(
            self,
            **moved,
            priority=priority_of(move.case.impact, move.case.urgency),
            event_count=self.event_count + len(move.events),
        )

    def counted(
        self, log: Iterable[CaseEvent], calendar: Calendar, *, calendar_version: int, now: datetime
    ) -> "CaseFile":
        """With its milestones replayed from the whole log, as they stand at `now`."""
        milestones = evaluate(calendar, policy_from(self.first_policy), log, now)
        kept = keep(self.milestones, milestones, calendar_id=self.calendar_id, calendar_version=calendar_version)
        return replace(
            self,
            milestones=kept,
            calendar_version=calendar_version,
            first_response_due_time=_open_due_time(kept, MilestoneKind.FIRST_RESPONSE),
            resolution_due_time=_open_due_time(kept, MilestoneKind.RESOLUTION),
            breached=any(each.breach_time is not None for each in kept),
        )

    def milestone(self, kind: MilestoneKind) -> KeptMilestone | None:
        """The milestone of that kind, if one was promised."""
        return next((each for each in self.milestones if each.kind is kind), None)

    def warned(self, kind: MilestoneKind) -> "CaseFile":
        """With the warning of a milestone gone out."""
        milestones = tuple(replace(each, warned=True) if each.kind is kind else each for each in self.milestones)
        return replace(self, milestones=milestones)

    def decisive_facts(self, value_tier: str | None) -> dict[str, object]:
        """What conditions of service levels speak of."""
        names = ("kind", "priority", "impact", "urgency", "channel", "category")
        return {**{name: getattr(self, name) for name in names}, "value_tier": value_tier}


def policy_in_force(first: Mapping[str, Any], log: Iterable[CaseEvent]) -> ServiceLevelPolicy:
    """What was promised last."""
    policy = policy_from(first)
    for event in log:
        policy = event.policy or policy
    return policy


def _open_due_time(milestones: Iterable[KeptMilestone], kind: MilestoneKind) -> datetime | None:
    """The due time of a promise that is still to be kept."""
    open_states = (MilestoneState.RUNNING, MilestoneState.MISSED)
    for each in milestones:
        if each.kind is kind and each.state in open_states and each.completed_time is None:
            return each.due_time
    return None
