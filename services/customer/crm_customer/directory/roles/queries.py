"""Every SELECT on roles that their declaration does not make."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.trees import ids_from_here_down
from crm_kit.database.work import Reader
from crm_kit.errors import FailedPrecondition, invalid_field
from crm_kit.plumbing import access_roles, access_teams, access_users
from sqlalchemy import Select, Uuid, any_, bindparam, false, func, select, true, union
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.directory.roles.model import EVERYTHING, Grant, Role, Scope
from crm_customer.directory.roles.resource import ROLES
from crm_customer.directory.roles.rights import Holders
from crm_customer.directory.roles.tables import former_teams, roles

NOBODY = UUID(int=0)
NO_TEAM = UUID(int=0)


@statement
def built_in_roles() -> Select[Any]:
    return select(*ROLES.columns).where(roles.c.tenant_id == bindparam("tenant_id"), roles.c.built_in)


@statement
def other_administrator() -> Select[Any]:
    """One active user with a role that administers, leaving out one user and one role.

    Of the rights that are in force here, which change together with users and roles.
    """
    held = (access_roles.c.tenant_id == access_users.c.tenant_id) & (access_roles.c.id == any_(access_users.c.role_ids))
    return (
        select(access_users.c.id)
        .join(access_roles, held)
        .where(
            access_users.c.tenant_id == bindparam("tenant_id"),
            access_users.c.active,
            access_users.c.id != bindparam("without_user"),
            access_roles.c.tenant_id == bindparam("tenant_id"),
            access_roles.c.id != bindparam("without_role"),
            access_roles.c.grants[EVERYTHING].astext == Scope.ALL,
        )
        .limit(1)
    )


@statement
def teams_of_holders() -> Any:
    """The teams that the others are in, or were, who have a role in force."""
    users, former = access_users.c, former_teams.c
    holds = (
        users.tenant_id == bindparam("tenant_id"),
        bindparam("role_id", type_=Uuid) == any_(users.role_ids),
        users.active,
        users.id != bindparam("me"),
    )
    left = (former.tenant_id == users.tenant_id) & (former.user_id == users.id)
    return union(
        select(users.team_id, true().label("present")).where(*holds),
        select(former.team_id, false().label("present")).join(access_users, left).where(*holds),
    )


@statement
def teams_left_by() -> Select[Any]:
    return select(former_teams.c.team_id).where(
        former_teams.c.tenant_id == bindparam("tenant_id"), former_teams.c.user_id == bindparam("user_id")
    )


@statement
def grants_for_teams() -> Select[Any]:
    """The permissions that people of some teams have for their team and those below."""
    users, roles = access_users.c, access_roles.c
    grants = func.jsonb_each_text(roles.grants).table_valued("key", "value").render_derived()
    return (
        select(grants.c.key.label("permission"))
        .distinct()
        .select_from(access_users)
        .join(access_roles, (roles.tenant_id == users.tenant_id) & (roles.id == any_(users.role_ids)))
        .join(grants, true())
        .where(
            users.tenant_id == bindparam("tenant_id"),
            roles.tenant_id == bindparam("tenant_id"),
            users.team_id == any_(bindparam("team_ids_above", type_=ARRAY(Uuid))),
            users.active,
            grants.c.value == Scope.TEAM,
        )
    )


async def get_holders(reader: Reader, role_id: UUID) -> Holders | None:
    """The others who have the role; None when there are none."""
    rows = await reader.all(teams_of_holders(), role_id=role_id, me=reader.actor.user_id)
    present = {row["team_id"] for row in rows if row["present"]}
    below = await ids_from_here_down(reader, access_teams, [id for id in present if id is not None])
    return Holders(below, owning=frozenset(row["team_id"] for row in rows)) if rows else None


async def get_owning_teams(reader: Reader, user_id: UUID, team_id: UUID | None) -> frozenset[UUID | None]:
    """The teams that what a user owns may lie in: the one they are in, and those that they have left."""
    return frozenset({team_id, *(row["team_id"] for row in await reader.all(teams_left_by(), user_id=user_id))})


async def get_team_grants(reader: Reader, team_ids: Collection[UUID]) -> list[Grant]:
    """What people of these teams may do with the records of their team and those below."""
    rows = await reader.all(grants_for_teams(), team_ids_above=list(team_ids)) if team_ids else []
    return [Grant(row["permission"], Scope.TEAM) for row in rows]


async def get_roles(reader: Reader, ids: Collection[UUID], *, field: str) -> dict[UUID, Role]:
    """The roles by id; InvalidArgument naming `field` when one does not exist."""
    found = await ROLES.get_many(reader, ids) if ids else {}
    for id in ids:
        if id not in found:
            raise invalid_field(field, "reference", f"{id} does not exist", reason="REFERENCE_NOT_FOUND")
    return found


async def get_built_in_roles(reader: Reader) -> dict[str, Role]:
    """The roles that the platform brings, by name."""
    return {row["display_name"]: ROLES.entity_from(row) for row in await reader.all(built_in_roles())}


async def check_administrator_stays(
    reader: Reader, *, without_user: UUID = NOBODY, without_role: UUID = NOBODY
) -> None:
    """Raise FailedPrecondition when nobody would administer the tenant without this user, or this role."""
    if await reader.one(other_administrator(), without_user=without_user, without_role=without_role) is None:
        raise FailedPrecondition("the last administrator of a tenant stays one", reason="LAST_ADMINISTRATOR")
