"""A team: a group of users, at its place in the tree of teams."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import FailedPrecondition


@dataclass(frozen=True, slots=True)
class Team:
    """Fields as in the contract; at the top of the tree `parent_id` is None."""

    id: UUID
    display_name: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    parent_id: UUID | None = None
    leader_id: UUID | None = None

    def update(self, values: dict[str, Any]) -> "Team":
        """With new values of some fields."""
        return replace(self, **values)

    def check_place(self, above: Collection[UUID]) -> None:
        """Raise FailedPrecondition when the team is one of those that are, all the way up, `above` its place."""
        if self.id in above:
            raise FailedPrecondition("a team cannot be below itself", reason="TEAM_CYCLE")
