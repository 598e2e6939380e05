"""A role: a named set of permissions, each with whose records it reaches."""

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from crm_kit.errors import FailedPrecondition, FieldViolation, InvalidArgument, invalid_field
from crm_kit.keys import tidied_name

EVERYTHING = "*"
HIDDEN_FIELD = "role.hidden_fields[{}]"


class Scope(enum.StrEnum):
    OWN = "OWN"
    TEAM = "TEAM"
    ALL = "ALL"


# A wider scope includes the narrower ones.
RANK = {scope: rank for rank, scope in enumerate(Scope)}


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission, or `*` for every one, and whose records it reaches."""

    permission: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Role:
    """Fields as in the contract; grants are in the order of their permissions, hidden fields in theirs, each once."""

    id: UUID
    display_name: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    grants: tuple[Grant, ...] = ()
    hidden_fields: tuple[str, ...] = ()
    built_in: bool = False

    @property
    def administers(self) -> bool:
        """Whether its holders may do everything in the tenant."""
        return Grant(EVERYTHING, Scope.ALL) in self.grants

    def gained(self, before: "Role") -> tuple[Grant, ...]:
        """The grants that it has and did not have before, or for fewer records."""
        old = {each.permission: RANK[each.scope] for each in before.grants}
        return tuple(each for each in self.grants if RANK[each.scope] > old.get(each.permission, -1))

    def update(self, values: dict[str, Any]) -> "Role":
        """With new values of some fields. FailedPrecondition when the platform brings it."""
        if self.built_in:
            raise FailedPrecondition("a role that the platform brings cannot be changed", reason="ROLE_BUILT_IN")
        return replace(self, **values).checked()

    def renew(self, grants: tuple[Grant, ...]) -> "Role":
        """A built-in role as this release has it."""
        return replace(self, grants=grants).checked()

    def checked(self) -> "Role":
        """The role with its name tidied, its grants and hidden fields in order.

        InvalidArgument when a permission or a field is there twice.
        """
        names = [each.permission for each in self.grants]
        violations = [*_doubled("role.grants[{}].permission", names), *_doubled(HIDDEN_FIELD, self.hidden_fields)]
        if violations:
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)
        grants = tuple(sorted(self.grants, key=attrgetter("permission")))
        hidden = tuple(sorted(self.hidden_fields))
        return replace(self, display_name=tidied_name(self.display_name), grants=grants, hidden_fields=hidden)

    def check_permissions(self, known: Collection[str]) -> None:
        """InvalidArgument for a permission that no rpc asks for: it would grant nothing, and be taken for something."""
        for index, name in enumerate(each.permission for each in self.grants):
            if name != EVERYTHING and name not in known:
                possible = ", ".join(sorted(known))
                detail = f"there is no permission {name}; possible: {EVERYTHING}, {possible}"
                told = {"permission": name, "possible": f"{EVERYTHING}, {possible}"}
                raise invalid_field(f"role.grants[{index}].permission", "permission", detail, metadata=told)


def check_hideable(paths: Sequence[str], *, may: Callable[[str], bool], known: Sequence[str]) -> None:
    """InvalidArgument for a field that cannot be hidden: it would be taken for hidden. Those `known` are told."""
    for index, path in enumerate(paths):
        if not may(path):
            told = {"field": path, "possible": ", ".join(known)}
            detail = f"{path} cannot be hidden; possible: {told['possible']}"
            raise invalid_field(HIDDEN_FIELD.format(index), "hideable", detail, metadata=told)


def _doubled(place: str, names: Sequence[str]) -> list[FieldViolation]:
    return [
        FieldViolation(place.format(index), "unique", f"{name} is there twice")
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def granted(scopes: Mapping[str, str]) -> tuple[Grant, ...]:
    """Grants from permissions and their scopes, `{"accounts.read": "TEAM"}` for example."""
    return tuple(Grant(permission, Scope(scope)) for permission, scope in scopes.items())
