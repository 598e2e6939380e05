"""What moves the clocks of a case. A log of these is all that the clock knows of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crm_kit.errors import invalid_field

from crm_service_desk.service_levels.model import ASKED_PAUSES, PauseReason, ServiceLevelPolicy


class FactKind(StrEnum):
    """What can happen."""

    CREATED = "CREATED"
    CUSTOMER_MESSAGE = "CUSTOMER_MESSAGE"
    PUBLIC_REPLY = "PUBLIC_REPLY"
    CALL = "CALL"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    POLICY_CHANGED = "POLICY_CHANGED"
    RESOLVED = "RESOLVED"
    REOPENED = "REOPENED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened on a case, at the time it happened (a customer's message: when it was sent).

    `pause_reason` says what a PAUSED begins and a RESUMED ends (None: all); `policy` is what a
    POLICY_CHANGED brings into force.
    """

    occur_time: datetime
    kind: FactKind
    pause_reason: PauseReason | None = None
    policy: ServiceLevelPolicy | None = None

    def __post_init__(self) -> None:
        if self.kind is FactKind.PAUSED and self.pause_reason not in ASKED_PAUSES:
            raise invalid_field("facts.pause_reason", "pause_reason", "a pause needs a reason, and RESOLVED is none")
        if self.kind is FactKind.POLICY_CHANGED and self.policy is None:
            raise invalid_field("facts.policy", "required", "a change of policy needs the new policy")
