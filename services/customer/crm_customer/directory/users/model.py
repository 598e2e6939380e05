"""A user: a person of a tenant who works with the platform."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.etags import check_etag

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

    def update(self, values: dict[str, Any], *, now: datetime, etag: str = "") -> "User":
        """With new values of some fields."""
        check_etag(etag, self.version)
        after = replace(self, **values)
        return self if after == self else after._changed(now)

    def update_own(self, values: dict[str, Any], *, now: datetime, etag: str = "") -> "User":
        """With a new name, given by the user themselves; InvalidArgument when anything else would change."""
        for name, value in values.items():
            if name not in OWN_FIELDS and getattr(self, name) != value:
                raise invalid_field(f"user.{name}", "field_mask", "cannot be changed by the user themselves")
        return self.update(values, now=now, etag=etag)

    def activate(self, *, now: datetime, etag: str = "") -> "User":
        """Let them in again."""
        return self.update({"active": True}, now=now, etag=etag)

    def deactivate(self, *, now: datetime, etag: str = "") -> "User":
        """Keep them out."""
        return self.update({"active": False}, now=now, etag=etag)

    def with_new_password(self, *, now: datetime) -> "User":
        """The same person; that their password changed is part of their history."""
        return self._changed(now)

    def _changed(self, now: datetime) -> "User":
        return replace(self, version=self.version + 1, update_time=max(now, self.update_time))


def login_of(text: str) -> str:
    """A login as it is kept and looked for."""
    return text.strip().lower()
