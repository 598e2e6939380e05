"""Who acts, and what they may do."""

import enum
import functools
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Uuid

from crm_kit.errors import denied
from crm_kit.field_rights import NO_FIELDS, Hidden, with_following, with_speaking
from crm_kit.identity.membership import as_member
from crm_kit.regions import DEFAULT_REGION
from crm_kit.zones import DEFAULT_ZONE, day_in

EVERYTHING = "*"
"""The permission that stands for all."""

READ_RESTRICTED = "accounts.read_restricted"
"""With ALL, for seeing the whole of restricted accounts whoever has them; a narrower scope adds nothing."""


class Scope(enum.IntEnum):
    """Whose records a permission reaches. A wider scope includes the narrower ones."""

    OWN = 1
    TEAM = 2
    ALL = 3


@dataclass(frozen=True, slots=True)
class Access:
    """What one user may do, as the directory says now."""

    active: bool
    grants: Mapping[str, Scope]
    team_id: UUID | None = None
    # The user's own team and all below it.
    team_ids: tuple[UUID, ...] = ()
    sandbox: bool = False
    # How far the tenant's test clock is ahead; zero but for sandbox tenants.
    clock_offset: timedelta = timedelta(0)
    # The tenant's, an IANA name.
    time_zone: str = DEFAULT_ZONE
    # The tenant's: where telephone numbers without a country code are, as ISO 3166-1 alpha-2.
    default_region: str = DEFAULT_REGION
    # What the tenant shows of masked records, as `leads.email`.
    unmasked: frozenset[str] = frozenset()
    # What their roles hide of records that they may read.
    hidden: Hidden = field(default_factory=dict)

    def hidden_of(self, collection: str) -> frozenset[str]:
        """The fields of a collection's records that are hidden, custom fields as `custom.<key>`, and what follows."""
        return with_following(collection, self.hidden.get(collection, NO_FIELDS)) if self.hidden else NO_FIELDS

    def unlisted_of(self, collection: str) -> frozenset[str]:
        """Those, and the fields that are shown in part: lists do not go by them, and events do not name them."""
        return with_speaking(collection, self.hidden_of(collection)) if self.hidden else NO_FIELDS

    def masked_among(self, collection: str, fields: Set[str]) -> frozenset[str]:
        """Those of the fields of a collection's masked records that the tenant does not show all the same."""
        return frozenset(name for name in fields if f"{collection}.{name}" not in self.unmasked)

    def may(self, permission: str) -> bool:
        """Whether the permission is granted, in whatever scope."""
        return permission in self.grants or EVERYTHING in self.grants

    def scope(self, permission: str) -> Scope:
        """The widest scope granted for the permission; PermissionDenied without any."""
        granted = [self.grants[name] for name in (permission, EVERYTHING) if name in self.grants]
        if not granted:
            raise denied("permission", f"the permission {permission} is needed", permission=permission)
        return max(granted)

    @property
    def reads_restricted(self) -> bool:
        """Whether restricted accounts are open to the user, whoever has them."""
        return self.may(READ_RESTRICTED) and self.scope(READ_RESTRICTED) is Scope.ALL

    def day_of(self, instant: datetime) -> date:
        """The day that calendars of the tenant show at an instant."""
        return day_in(self.time_zone, instant)


@dataclass(frozen=True)
class Actor:
    """A user or service at work in one tenant."""

    tenant_id: UUID
    user_id: UUID
    access: Access

    @functools.cached_property
    def binds(self) -> dict[str, Any]:
        """What every statement may refer to: the tenant and its settings, the user, the teams they see, the grants."""
        return {
            "tenant_id": self.tenant_id,
            "me": self.user_id,
            "team_ids": self.access.team_ids,
            "grants": dict(self.access.grants),
            "reads_restricted": self.access.reads_restricted,
            "unmasked": sorted(self.access.unmasked),
            "partly_hidden": sorted(each for each, fields in self.access.hidden.items() if fields),
        }


ALL_RIGHTS: Mapping[str, Scope] = {EVERYTHING: Scope.ALL}
SERVICE_ACCESS = Access(active=True, grants=ALL_RIGHTS)
"""Background work of a service, inside one tenant."""

SERVICE_USER = UUID(int=1)
"""Who history and events name when no user asked for it."""


def service_actor(tenant_id: UUID) -> Actor:
    """The service itself at work in a tenant."""
    return Actor(tenant_id, SERVICE_USER, SERVICE_ACCESS)


def sees_all_fields(collection: str) -> ColumnElement[bool]:
    """Whether no field of the collection's records is hidden from the actor."""
    return not_(literal(collection) == any_(bindparam("partly_hidden", type_=ARRAY(Text))))


def is_unmasked(collection: str, fields: Iterable[str]) -> ColumnElement[bool]:
    """Whether the tenant shows all of these fields of masked records."""
    paths = [f"{collection}.{name}" for name in sorted(fields)]
    return bindparam("unmasked", type_=ARRAY(Text)).contains(paths)


@functools.cache
def _owner_columns(table: Table) -> tuple[Any, Any]:
    return table.c.owner_id, table.c.owner_team_id


def visible(table: Table, scope: Scope) -> ColumnElement[bool]:
    """Which rows of an owned table the actor may see; part of every query on it."""
    if scope is not Scope.ALL:
        return or_(*ways_to_own(table, scope))
    return is_open(table, scope) if is_restrictable(table) else true()


def ways_to_own(table: Table, scope: Scope) -> list[ColumnElement[bool]]:
    """OWN: one's own rows of an owned table, and accounts that one is a member of; TEAM: the team's and below, too."""
    owner, team = _owner_columns(table)
    own: list[ColumnElement[bool]] = [owner == bindparam("me"), *as_member(table)]
    return own if scope is Scope.OWN else [*own, team == any_(bindparam("team_ids", type_=ARRAY(Uuid)))]


def is_restrictable(table: Table) -> bool:
    """Whether records of a table can be restricted: it is one of accounts."""
    return "restricted" in table.c


def is_open(accounts: Table, scope: Scope) -> ColumnElement[bool]:
    """Which accounts are not restricted, or are open to the actor all the same."""
    return or_(not_(accounts.c.restricted), _opened(accounts, scope))


def is_closed(accounts: Table, scope: Scope) -> ColumnElement[bool]:
    """Which accounts are restricted, and open to others only; never unknown, so that it can be denied."""
    return and_(accounts.c.restricted, _opened(accounts, scope).is_not(true()))


def _opened(accounts: Table, scope: Scope) -> ColumnElement[bool]:
    """To whom a restricted account is open: of those who have ALL to whom it were so by TEAM, and who may read all."""
    reads_restricted = bindparam("reads_restricted", type_=Boolean)
    return or_(reads_restricted, *ways_to_own(accounts, min(scope, Scope.TEAM)))


def granted_scope(permission: str) -> ColumnElement[int]:
    """The scope in which the actor has a permission, as a number; 0 without any. For records beside those of a query.

    What a query reads itself is bounded by the scope that it is compiled for.
    """
    grants = bindparam("grants", type_=JSONB)
    scopes = (cast(grants[name].astext, Integer) for name in (permission, EVERYTHING))
    return func.coalesce(func.greatest(*scopes), 0)


def reaches(
    scope: Scope, actor: Actor, owner_id: UUID | None, owner_team_id: UUID | None, *, restricted: bool = False
) -> bool:
    """If the actor may see a record of this owner: the rule of `visible` for what is no row here, members apart.

    What is `restricted` ALL reaches as TEAM does.
    """
    if owner_id == actor.user_id:
        return True
    if scope is Scope.ALL and (not restricted or actor.access.reads_restricted):
        return True
    return scope >= Scope.TEAM and owner_team_id in actor.access.team_ids
