"""A user: a person of a tenant who works with the platform."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.etags import check_etag


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
