"""An approval delegation: who decides on approvals in whose place, and on which days."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field, wrong_state


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class ApprovalDelegation:
    """Fields as in the contract; both days are within it. Methods return the changed one."""

    id: UUID
    owner_id: UUID
    deputy_id: UUID
    first_date: date
    last_date: date
    create_time: datetime
    update_time: datetime
    version: int = 1
    owner_team_id: UUID | None = None
    collection: str | None = None
    state: State = State.ACTIVE

    def update(self, values: Mapping[str, Any]) -> "ApprovalDelegation":
        """With new values of some fields."""
        self._require_active("changed")
        return replace(self, **values)

    def cancel(self) -> "ApprovalDelegation":
        """Ended."""
        self._require_active("cancelled")
        return replace(self, state=State.CANCELLED)

    def checked(self, *, collections: Collection[str]) -> "ApprovalDelegation":
        """The delegation itself; `collections` are those that have something to approve.

        InvalidArgument for the owner as deputy, days that end before they begin, and a collection that is none of them.
        """
        if self.deputy_id == self.owner_id:
            raise invalid_field("approval_delegation.deputy_id", "somebody_else", "must be somebody else")
        _require_from(self.first_date, self.last_date)
        if self.collection is not None and self.collection not in collections:
            choices = ", ".join(sorted(collections))
            values = {"choices": choices}
            raise invalid_field(
                "approval_delegation.collection", "string.in", f"must be one of {choices}", metadata=values
            )
        return self

    def require_ahead(self, today: date) -> None:
        """Raise InvalidArgument for one whose days are all over."""
        _require_from(today, self.last_date)

    def _require_active(self, done: str) -> None:
        if self.state is not State.ACTIVE:
            raise wrong_state("approval_delegation", self.state, done, legal=[State.ACTIVE])


def _require_from(earliest: date, last_date: date) -> None:
    if last_date < earliest:
        values = {"earliest": earliest.isoformat()}
        detail = f"must not be before {earliest}"
        raise invalid_field("approval_delegation.last_date", "too_early", detail, metadata=values)
