"""What grants a permission, and what a record takes: pure rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from crm_kit.identity.access import EVERYTHING, Scope


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A permission of a role; EVERYTHING stands for all."""

    role_id: UUID
    permission: str
    scope: Scope


def grants_of(permission: str, roles: Iterable[tuple[UUID, Mapping[str, str]]]) -> list[RoleGrant]:
    """Those of the roles that grant a permission, by itself or with all others, the widest first.

    `roles` are ids with what each grants: permissions and the names of their scopes.
    """
    found = [
        RoleGrant(role_id, name, Scope[grants[name]])
        for role_id, grants in roles
        for name in (permission, EVERYTHING)
        if name in grants
    ]
    return sorted(found, key=lambda each: (-each.scope, each.role_id, each.permission))


def widest_of(grants: Iterable[RoleGrant]) -> Scope | None:
    """The widest scope; None without any."""
    return max((each.scope for each in grants), default=None)
