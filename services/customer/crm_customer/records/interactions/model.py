"""An interaction: one contact with a customer. It happened, so it never changes.

Of a call more may be heard, such as with whom it was.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from crm_kit.errors import FieldViolation, InvalidArgument
from crm_kit.zones import check_plausible

# How far the clocks of those who record may be ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=5)


class Channel(enum.StrEnum):
    VISIT = "VISIT"
    CALL = "CALL"
    EMAIL = "EMAIL"
    WECHAT = "WECHAT"
    SMS = "SMS"
    WEB = "WEB"
    APP = "APP"
    STORE = "STORE"
    SOCIAL = "SOCIAL"
    EVENT = "EVENT"
    OTHER = "OTHER"


class Direction(enum.StrEnum):
    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class CallOutcome(enum.StrEnum):
    ANSWERED = "ANSWERED"
    MISSED = "MISSED"
    NOT_REACHED = "NOT_REACHED"


@dataclass(frozen=True, slots=True)
class Interaction:
    """Fields as in the contract; text that is not known is None."""

    id: UUID
    account_id: UUID
    channel: Channel
    direction: Direction
    subject: str
    interaction_time: datetime
    recorder_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    body: str | None = None
    contact_ids: tuple[UUID, ...] = ()
    user_ids: tuple[UUID, ...] = ()
    outcome: str | None = None
    next_step: str | None = None
    next_step_due_date: date | None = None
    call_id: UUID | None = None
    call_outcome: CallOutcome | None = None

    def heard(self, later: "Interaction", *, is_newest: bool) -> "Interaction":
        """With what is heard of the call later: that it was answered, and by whom.

        With whom it was says what is the newest, in whatever order it comes.
        """
        moved = replace(self, account_id=later.account_id, contact_ids=later.contact_ids) if is_newest else self
        if self.call_outcome is CallOutcome.ANSWERED or later.call_outcome is not CallOutcome.ANSWERED:
            return moved
        return replace(moved, call_outcome=later.call_outcome, user_ids=later.user_ids)

    def check(self, *, now: datetime) -> None:
        """Rules beyond single fields; InvalidArgument names the fields that break one."""
        check_plausible(self.interaction_time, field="interaction.interaction_time")
        violations = list(self._violations(now))
        if violations:
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)

    def _violations(self, now: datetime) -> Iterator[FieldViolation]:
        if self.interaction_time > now + CLOCK_TOLERANCE:
            yield FieldViolation("interaction.interaction_time", "past", "lies more than five minutes in the future")
        if self.next_step_due_date is not None and not self.next_step:
            yield FieldViolation("interaction.next_step_due_date", "next_step", "is due, but there is no next_step")
