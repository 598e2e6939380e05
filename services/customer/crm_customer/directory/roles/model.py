"""A role: a named set of permissions, each with whose records it reaches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import FailedPrecondition, FieldViolation, InvalidArgument
from crm_kit.etags import check_etag

EVERYTHING = "*"
ALL = "ALL"


@dataclass(frozen=True, slots=True)
class Role:
    """Fields as in the contract; `grants` maps a permission, or `*` for every one, to OWN, TEAM or ALL."""

    id: UUID
    display_name: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    grants: Mapping[str, str] = field(default_factory=dict)
    built_in: bool = False

    @property
    def administers(self) -> bool:
        """Whether its holders may do everything in the tenant."""
        return self.grants.get(EVERYTHING) == ALL

    def update(self, values: dict[str, Any], *, now: datetime, etag: str = "") -> "Role":
        """With new values of some fields. FailedPrecondition when the platform brings it."""
        check_etag(etag, self.version)
        if self.built_in:
            raise FailedPrecondition("a role that the platform brings cannot be changed", reason="ROLE_BUILT_IN")
        return self._changed(values, now)

    def renew(self, grants: Mapping[str, str], *, now: datetime) -> "Role":
        """A built-in role as this release has it."""
        return self._changed({"grants": dict(grants)}, now)

    def _changed(self, values: dict[str, Any], now: datetime) -> "Role":
        after = replace(self, **values)
        if after == self:
            return self
        return replace(after, version=self.version + 1, update_time=max(now, self.update_time))


def grants_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Grants from pairs of permission and scope; InvalidArgument when a permission is there twice."""
    grants: dict[str, str] = {}
    violations = []
    for index, (permission, scope) in enumerate(pairs):
        if permission in grants:
            violations.append(
                FieldViolation(f"role.grants[{index}].permission", "unique", f"{permission} is there twice")
            )
        grants[permission] = scope
    if violations:
        raise InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations)
    return grants
