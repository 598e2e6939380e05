"""A saved view: a list as somebody wants to see it again."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import denied, invalid_field, wrong_state

PLACE = "saved_view"
# Archived ones included.
MAX_OF_OWNER = 200


class Kind(enum.StrEnum):
    TABLE = "TABLE"
    BOARD = "BOARD"


class Visibility(enum.StrEnum):
    PRIVATE = "PRIVATE"
    TEAM = "TEAM"
    TENANT = "TENANT"


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class Problem:
    """What the collection does not have any more, in which field of the view."""

    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class SavedView:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    display_name: str
    collection: str
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    owner_team_id: UUID | None = None
    filter: str = ""
    order_by: str = ""
    columns: tuple[str, ...] = ()
    group_by: str | None = None
    kind: Kind = Kind.TABLE
    visibility: Visibility = Visibility.PRIVATE
    position: int = 0
    pinned: bool = False
    default_for_role_ids: tuple[UUID, ...] = ()
    state: State = State.ACTIVE
    problems: tuple[Problem, ...] = ()

    def update(self, values: Mapping[str, Any]) -> "SavedView":
        """With new values of some fields."""
        if self.state is not State.ACTIVE:
            raise wrong_state(PLACE, self.state, "changed", legal=[State.ACTIVE])
        return replace(self, **values)

    def archive(self) -> "SavedView":
        """Put away, and nobody's default."""
        if self.state is not State.ACTIVE:
            raise wrong_state(PLACE, self.state, "archived", legal=[State.ACTIVE])
        return replace(self, state=State.ARCHIVED, default_for_role_ids=())

    def restore(self) -> "SavedView":
        """In use again."""
        if self.state is not State.ARCHIVED:
            raise wrong_state(PLACE, self.state, "restored", legal=[State.ARCHIVED])
        return replace(self, state=State.ACTIVE)

    def checked(self) -> "SavedView":
        """The view itself. InvalidArgument for a board without columns, and for a default that not all may see."""
        if self.kind is Kind.BOARD and self.group_by is None:
            detail = "is needed: a board has a column for each of its values"
            raise invalid_field(f"{PLACE}.group_by", "board", detail)
        if self.default_for_role_ids and self.visibility is not Visibility.TENANT:
            detail = "must be TENANT where the view is the default of a role"
            raise invalid_field(f"{PLACE}.visibility", "default_visibility", detail)
        return self

    def require_shared_by(self, before: "SavedView | None", *, administers: bool) -> None:
        """PermissionDenied for what is the whole tenant's, or comes to be, unless the caller `administers` views."""
        ours = self.visibility is Visibility.TENANT or (before and before.visibility is Visibility.TENANT)
        if ours and not administers:
            detail = "views for the whole tenant, and defaults of roles, take saved_views.write with the scope ALL"
            raise denied("for_the_tenant", detail)
