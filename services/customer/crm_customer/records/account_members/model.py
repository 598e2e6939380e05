"""A member of the team of an account: in which part, from when to when, to read it or to change it, too."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import FailedPrecondition, invalid_field, wrong_state

MAX_MEMBERS = 20
"""People who are in a team, or will be; those whose period is over do not count."""


class Role(enum.StrEnum):
    DEPUTY = "DEPUTY"
    SERVICE = "SERVICE"
    TECHNICAL = "TECHNICAL"
    PROJECT_MANAGER = "PROJECT_MANAGER"
    SALES = "SALES"
    OTHER = "OTHER"


class Access(enum.StrEnum):
    READ = "READ"
    WRITE = "WRITE"


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    REMOVED = "REMOVED"


@dataclass(frozen=True, slots=True)
class AccountMember:
    """Fields as in the contract; both days are within the period. Methods return the changed one."""

    id: UUID
    account_id: UUID
    user_id: UUID
    role: Role
    access: Access
    create_time: datetime
    update_time: datetime
    version: int = 1
    start_date: date | None = None
    end_date: date | None = None
    state: State = State.ACTIVE

    def update(self, values: Mapping[str, Any]) -> "AccountMember":
        """With new values of some fields. FailedPrecondition when they were removed."""
        self._require_active("changed")
        return replace(self, **values)

    def remove(self) -> "AccountMember":
        """Taken out. FailedPrecondition when they were before."""
        self._require_active("removed")
        return replace(self, state=State.REMOVED)

    def checked(self, others: Collection["AccountMember"], *, today: date) -> "AccountMember":
        """The member itself, among the `others` of the team who are active.

        InvalidArgument for a period that ends before it begins, or that is also one of the same person's others;
        FailedPrecondition ACCOUNT_TEAM_FULL when the team has as many members as it can have.
        """
        if self.start_date is not None and self.end_date is not None and self.end_date < self.start_date:
            values = {"earliest": self.start_date.isoformat()}
            detail = f"must not be before {self.start_date}"
            raise invalid_field("account_member.end_date", "too_early", detail, metadata=values)
        for other in others:
            if other.user_id == self.user_id and self.overlaps(other):
                raise invalid_field("account_member.user_id", "member_twice", "is in the team on some of these days")
        if not self.is_over(today) and sum(not other.is_over(today) for other in others) >= MAX_MEMBERS:
            detail = f"a team has at most {MAX_MEMBERS} members"
            raise FailedPrecondition(detail, reason="ACCOUNT_TEAM_FULL", metadata={"most": str(MAX_MEMBERS)})
        return self

    def require_ahead(self, today: date) -> None:
        """Raise InvalidArgument for one whose days are all over."""
        if self.is_over(today):
            values = {"earliest": today.isoformat()}
            raise invalid_field("account_member.end_date", "too_early", f"must not be before {today}", metadata=values)

    def is_over(self, today: date) -> bool:
        """Whether the last day has passed."""
        return self.end_date is not None and self.end_date < today

    def overlaps(self, other: "AccountMember") -> bool:
        """Whether there is a day on which both hold."""
        first = max(self.start_date or date.min, other.start_date or date.min)
        return first <= min(self.end_date or date.max, other.end_date or date.max)

    def _require_active(self, done: str) -> None:
        if self.state is not State.ACTIVE:
            raise wrong_state("account_member", self.state, done, legal=[State.ACTIVE])
