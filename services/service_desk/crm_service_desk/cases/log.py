"""The log of a case: what happened on it, in the order it was recorded, and what of that moves its clocks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.model import PauseReason, ServiceLevelPolicy

MAX_LINES = 5000
"""Of a log. Its clocks are replayed from all that moved them, so what one case is told has an end."""


class CaseEventKind(StrEnum):
    """What can happen on a case. Those that move a clock are called as the clock's facts."""

    CREATED = "CREATED"
    OPENED = "OPENED"
    CUSTOMER_MESSAGE = "CUSTOMER_MESSAGE"
    PUBLIC_REPLY = "PUBLIC_REPLY"
    CALL = "CALL"
    INTERNAL_NOTE = "INTERNAL_NOTE"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    POLICY_CHANGED = "POLICY_CHANGED"
    RESOLVED = "RESOLVED"
    REOPENED = "REOPENED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


ENDINGS = frozenset({CaseEventKind.RESUMED, CaseEventKind.RESOLVED, CaseEventKind.CLOSED, CaseEventKind.CANCELLED})
"""What is written in a full log, too: how a case ends."""


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One line of a case's log. Fields as in the contract; `policy` is what a POLICY_CHANGED brings into force."""

    position: int
    kind: CaseEventKind
    occur_time: datetime
    record_time: datetime
    actor_id: UUID | None = None
    contact_id: UUID | None = None
    text: str | None = None
    pause_reason: PauseReason | None = None
    policy: ServiceLevelPolicy | None = None


def facts_of(lines: Iterable[CaseEvent]) -> list[Fact]:
    """What the clocks are to know of some lines."""
    return [
        Fact(event.occur_time, FactKind(event.kind), event.pause_reason, event.policy)
        for event in lines
        if event.kind in FactKind.__members__
    ]


def policy_in_force(first: ServiceLevelPolicy, facts: Iterable[Fact]) -> ServiceLevelPolicy:
    """What was promised last, where `first` was promised at the creation."""
    policy = first
    for fact in facts:
        policy = fact.policy or policy
    return policy


def waiting_since(facts: Iterable[Fact]) -> datetime:
    """When waiting for the customer last began, in the log of a case that waits for them."""
    return max(
        fact.occur_time for fact in facts if fact.kind is FactKind.PAUSED and fact.pause_reason is PauseReason.CUSTOMER
    )
