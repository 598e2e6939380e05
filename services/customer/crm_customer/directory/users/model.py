"""A user: a person of a tenant who works with the platform."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.keys import tidied_code

# What users may change of themselves.
OWN_FIELDS = frozenset({"display_name"})


@dataclass(frozen=True, slots=True)
class User:
    """Fields as in the contract; the login is in lower case."""

    id: UUID
    display_name: str
    login: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    active: bool = True
    team_id: UUID | None = None
    role_ids: tuple[UUID, ...] = ()
    password_time: datetime | None = None

    @property
    def rights(self) -> tuple[bool, UUID | None, tuple[UUID, ...]]:
        """What decides on whose records they reach."""
        return self.active, self.team_id, self.role_ids

    def lends(self, before: "User") -> bool:
        """Whether somebody else may come to act as this user by the change, or the user to have more roles."""
        return self.signs_in_otherwise(before) or not set(self.role_ids) <= set(before.role_ids)

    def signs_in_otherwise(self, before: "User") -> bool:
        """Whether the change is to a login or a password by which somebody else may come to act as this user."""
        return (self.login, self.password_time) != (before.login, before.password_time)

    def is_let_in(self, before: "User") -> bool:
        """Whether somebody comes to act as this user by the change who did not before."""
        return self.signs_in_otherwise(before) or (self.active and not before.active)

    def update(self, values: dict[str, Any]) -> "User":
        """With new values of some fields."""
        return replace(self, **values).checked()

    def update_own(self, values: dict[str, Any]) -> "User":
        """With a new name, given by the user themselves; InvalidArgument when anything else would change."""
        for name, value in values.items():
            if name not in OWN_FIELDS and getattr(self, name) != value:
                raise invalid_field(f"user.{name}", "field_mask", "cannot be changed by the user themselves")
        return self.update(values)

    def activate(self) -> "User":
        """Let them in again."""
        return replace(self, active=True)

    def deactivate(self) -> "User":
        """Keep them out."""
        return replace(self, active=False)

    def with_new_password(self, *, now: datetime) -> "User":
        """The same person, who has a new password since now."""
        return replace(self, password_time=now)

    def checked(self) -> "User":
        """The user with the login as it is kept."""
        return replace(self, login=login_of(self.login))


def login_of(text: str) -> str:
    """A login as it is kept and looked for."""
    return tidied_code(text).lower()
