"""A pair of accounts that are likely the same, until somebody says that they are not."""

import enum
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from crm_kit.errors import wrong_state

from crm_customer.records.duplicate_rules.matching import Evidence, Match


class State(enum.StrEnum):
    OPEN = "OPEN"
    DISMISSED = "DISMISSED"
    OUTDATED = "OUTDATED"


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Fields as in the contract; `account_id` is the smaller of the two, so that each pair is there once.

    `basis` stands for what was compared of both: while it is the same, what somebody has decided holds.
    """

    id: UUID
    account_id: UUID
    other_account_id: UUID
    score: int
    evidence: tuple[Evidence, ...]
    basis: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    state: State = State.OPEN
    dismisser_id: UUID | None = None
    dismiss_time: datetime | None = None
    dismiss_reason: str | None = None
    # Whose the accounts are now.
    owner_ids: tuple[UUID, ...] = field(default=(), compare=False)

    def dismiss(self, by: UUID, reason: str, *, now: datetime) -> "DuplicatePair":
        """Said not to be the same. FailedPrecondition unless it is open."""
        if self.state is not State.OPEN:
            raise wrong_state("duplicate pair", self.state, "dismissed", legal=[State.OPEN])
        return replace(self, state=State.DISMISSED, dismisser_id=by, dismiss_time=now, dismiss_reason=reason)

    def found(self, match: Match, basis: str) -> "DuplicatePair":
        """Found again: what somebody has dismissed stays so, unless what was compared has changed since."""
        if self.basis == basis and self.state is not State.OUTDATED:
            return self
        return replace(
            self,
            score=match.points,
            evidence=match.told,
            basis=basis,
            state=State.OPEN,
            dismisser_id=None,
            dismiss_time=None,
            dismiss_reason=None,
        )

    def outdate(self) -> "DuplicatePair":
        """Not alike any more."""
        return replace(self, state=State.OUTDATED)
