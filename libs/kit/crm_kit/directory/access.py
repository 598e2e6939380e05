"""Who is behind a token and what they may do, from the directory as this service knows it.

Known for at most a second, so a right that is taken away is gone everywhere within two.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.database.connections import ALL_TENANTS, Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument, Unauthenticated, invalid_field
from crm_kit.field_rights import RoleFields, hidden_by
from crm_kit.identity.access import EVERYTHING, SERVICE_ACCESS, SERVICE_USER, Access, Actor, Scope, reaches
from crm_kit.identity.tokens import Claims
from crm_kit.plumbing import access_roles, access_teams, access_tenants, access_users

CACHE_SECONDS = 1.0
REMEMBERED = 10_000


@statement
def access_of_user() -> Any:
    """One user's state, team subtree, what their roles grant and hide, and their tenant's state, in one row."""
    user, team, tenant = access_users, access_teams, access_tenants
    below = (
        select(user.c.team_id.label("id"))
        .where(user.c.tenant_id == bindparam("tenant_id"), user.c.id == bindparam("user_id"))
        .cte("below", recursive=True)
    )
    below = below.union(
        select(team.c.id).where(team.c.tenant_id == bindparam("tenant_id"), team.c.parent_id == below.c.id)
    )
    role = func.jsonb_build_object("grants", access_roles.c.grants, "hidden", access_roles.c.hidden_fields)
    roles = select(func.jsonb_agg(role)).where(
        access_roles.c.tenant_id == user.c.tenant_id, access_roles.c.id == any_(user.c.role_ids)
    )
    return (
        select(
            (user.c.active & tenant.c.active).label("active"),
            user.c.team_id,
            select(func.array_agg(below.c.id, type_=ARRAY(Uuid))).scalar_subquery().label("team_ids"),
            roles.scalar_subquery().label("roles"),
            tenant.c.sandbox,
            tenant.c.clock_offset,
            tenant.c.time_zone,
            tenant.c.default_region,
            tenant.c.unmasked_fields,
        )
        .join(tenant, tenant.c.tenant_id == user.c.tenant_id)
        .where(user.c.tenant_id == bindparam("tenant_id"), user.c.id == bindparam("user_id"))
    )


@statement
def active_tenant() -> Any:
    tenant = access_tenants.c
    return select(tenant.sandbox, tenant.clock_offset, tenant.time_zone, tenant.default_region).where(
        tenant.tenant_id == bindparam("tenant_id"), tenant.active
    )


@statement
def tenant_by_slug() -> Any:
    return select(access_tenants.c.tenant_id).where(access_tenants.c.slug == bindparam("slug"))


@statement
def user_by_login() -> Any:
    return select(access_users.c.id).where(
        access_users.c.tenant_id == bindparam("tenant_id"), access_users.c.login == bindparam("login")
    )


def access_from(row: Record) -> Access:
    """The access that a row of `access_of_user` means."""
    roles = row["roles"] or ()
    return Access(
        active=row["active"],
        grants=widest(role["grants"] for role in roles),
        team_id=row["team_id"],
        team_ids=tuple(team for team in row["team_ids"] or () if team),
        sandbox=row["sandbox"],
        clock_offset=row["clock_offset"],
        time_zone=row["time_zone"],
        default_region=row["default_region"],
        unmasked=frozenset(row["unmasked_fields"]),
        hidden=hidden_by(RoleFields(role["grants"], role["hidden"]) for role in roles),
    )


def widest(roles: Iterable[Mapping[str, str]]) -> dict[str, Scope]:
    """The grants of several roles together: for each permission the widest scope."""
    grants: dict[str, Scope] = {}
    for role in roles:
        for permission, scope in role.items():
            grants[permission] = max(grants.get(permission, Scope.OWN), Scope[scope])
    return grants


class Directory:
    """Resolves verified claims to an actor."""

    def __init__(self, database: Database, built_in_issuer: str) -> None:
        self._database = database
        self._built_in = built_in_issuer
        self._seen: dict[tuple[UUID, UUID], tuple[float, Actor]] = {}
        self._ids: dict[tuple[str, str, str], tuple[float, UUID, UUID]] = {}
        # How often something was forgotten: what was read before that and came after it is not kept.
        self._changes = 0

    async def actor(self, claims: Claims) -> Actor:
        """The active user behind the claims; Unauthenticated when there is none."""
        return await self.user(*await self._ids_of(claims))

    async def user(self, tenant_id: UUID, user_id: UUID) -> Actor:
        """The active user with this id; Unauthenticated when there is none."""
        seen = self._seen.get((tenant_id, user_id))
        if seen is not None and time.monotonic() - seen[0] < CACHE_SECONDS:
            return seen[1]
        values = {"tenant_id": tenant_id, "user_id": user_id}
        changes, asked = self._changes, time.monotonic()
        rows = await self._database.all(tenant_id, access_of_user(), values)
        if not rows or not rows[0]["active"]:
            self._seen.pop((tenant_id, user_id), None)
            raise Unauthenticated("the user is not active here")
        actor = Actor(tenant_id, user_id, access_from(rows[0]))
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        # A test clock moves for all processes at once: nothing of a sandbox is remembered.
        if changes == self._changes and not actor.access.sandbox:
            self._seen[tenant_id, user_id] = (asked, actor)
        return actor

    async def service(self, tenant_id: UUID) -> Actor:
        """A service at work in a tenant, in its own name; Unauthenticated when the tenant is not active here."""
        rows = await self._database.all(tenant_id, active_tenant(), {"tenant_id": tenant_id})
        if not rows:
            raise Unauthenticated("the tenant is not active here")
        state = {name: rows[0][name] for name in ("sandbox", "clock_offset", "time_zone", "default_region")}
        return Actor(tenant_id, SERVICE_USER, replace(SERVICE_ACCESS, **state))

    def forget(self, tenant_id: UUID) -> None:
        """The tenant's directory has changed: ask again at the next call."""
        self._changes += 1
        for key in [key for key in self._seen if key[0] == tenant_id]:
            del self._seen[key]

    async def _ids_of(self, claims: Claims) -> tuple[UUID, UUID]:
        """Ids from the built-in issuer's tokens; looked up by slug and login for other issuers."""
        if claims.issuer == self._built_in:
            return UUID(claims.tenant), UUID(claims.user)
        name = (claims.issuer, claims.tenant, claims.user)
        seen = self._ids.get(name)
        # A login can pass to somebody else: it is believed no longer than what its user may do.
        if seen is not None and time.monotonic() - seen[0] < CACHE_SECONDS:
            return seen[1], seen[2]
        tenants = await self._database.all(ALL_TENANTS, tenant_by_slug(), {"slug": claims.tenant})
        tenant_id = tenants[0][0] if tenants else UUID(int=0)
        values = {"tenant_id": tenant_id, "login": claims.user}
        users = await self._database.all(tenant_id, user_by_login(), values) if tenants else []
        if not users:
            raise Unauthenticated("the token's user is not in the directory")
        user_id: UUID = users[0][0]
        if len(self._ids) >= REMEMBERED:
            self._ids.clear()
        self._ids[name] = (time.monotonic(), tenant_id, user_id)
        return tenant_id, user_id


@statement
def owner_by_id() -> Any:
    """The team of an active user, and whether their roles let them read the records that they are given."""
    users, roles = access_users.c, access_roles.c
    reading = select(roles.id).where(
        roles.tenant_id == users.tenant_id,
        roles.id == any_(users.role_ids),
        roles.grants.has_any(bindparam("reading", type_=ARRAY(Text))),
    )
    return select(users.team_id, reading.exists().label("may_read")).where(
        users.tenant_id == bindparam("tenant_id"), users.id == bindparam("id"), users.active
    )


@statement
def active_users() -> Any:
    return select(access_users.c.id).where(
        access_users.c.tenant_id == bindparam("tenant_id"),
        access_users.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        access_users.c.active,
    )


async def require_users(reader: Reader, ids: Sequence[UUID], *, old_ids: Collection[UUID] = (), field: str) -> None:
    """InvalidArgument unless all are active users, or among the `old_ids`, who were there before.

    `field` is the path of the list, `team[{}].user_id` for example.
    """
    added = set(ids).difference(old_ids)
    if not added:
        return
    active = {row["id"] for row in await reader.all(active_users(), ids=list(added))}
    for index, id in enumerate(ids):
        if id in added and id not in active:
            raise invalid_field(field.format(index), "reference", "is not an active user", reason="REFERENCE_NOT_FOUND")


async def owner_team(
    reader: Reader, owner_id: UUID, *, permission: str, field: str, scope: Scope | None = None
) -> UUID | None:
    """The team that a record of this owner belongs to.

    `permission` is what the owner needs for the record, such as `accounts.read`. InvalidArgument naming `field`: for a
    user who is not active, who has not that permission, or whom the caller may not give records to. OWN lets the caller
    give to themselves, TEAM to people of their team and all below it, ALL to everybody; `scope` is that of what they do
    unless it is told.
    """
    if owner_id == reader.actor.user_id:
        return reader.actor.access.team_id
    row = await reader.one(owner_by_id(), id=owner_id, reading=[permission, EVERYTHING])
    if row is None:
        raise invalid_field(field, "reference", "is not an active user", reason="REFERENCE_NOT_FOUND")
    team: UUID | None = row["team_id"]
    if not reaches(reader.scope if scope is None else scope, reader.actor, owner_id, team):
        detail = "is nobody that you may give records to"
        raise invalid_field(field, "assignable", detail, reason="ASSIGNMENT_NOT_ALLOWED")
    if not row["may_read"]:
        detail = f"may not have it: the permission {permission} is needed"
        raise invalid_field(
            field,
            "permitted",
            detail,
            reason="ASSIGNMENT_NOT_ALLOWED",
            metadata={"permission": permission},
        )
    return team


async def owned_by(
    reader: Reader, owner_id: UUID | None, *, permission: str, field: str, scope: Scope | None = None
) -> dict[str, UUID | None]:
    """`owner_id` and `owner_team_id` of a record of this owner, the caller when there is none; as `owner_team`."""
    owner_id = owner_id or reader.actor.user_id
    return {
        "owner_id": owner_id,
        "owner_team_id": await owner_team(reader, owner_id, permission=permission, field=field, scope=scope),
    }


async def may_own(reader: Reader, owner_id: UUID, *, permission: str, scope: Scope) -> bool:
    """Whether `owner_team` lets a record be this owner's, for what goes along with another that they are given."""
    try:
        await owner_team(reader, owner_id, permission=permission, field="owner_id", scope=scope)
    except InvalidArgument:
        return False
    return True
