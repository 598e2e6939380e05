"""Who looks after something of a tenant: those who have a permission for all of it."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, any_, bindparam, or_, select

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import EVERYTHING, Scope
from crm_kit.plumbing import access_roles, access_users

MAX_KEEPERS = 100


async def get_keepers(reader: Reader, permission: str) -> list[UUID]:
    """Active users with a role that gives the permission with the scope ALL, as far as so many are told."""
    return [row["id"] for row in await reader.all(users_who_keep(permission))]


@statement
def users_who_keep(permission: str) -> Select[Any]:
    users, roles = access_users.c, access_roles
    given = (roles.c.grants[name].astext == Scope.ALL.name for name in (permission, EVERYTHING))
    role = select(roles.c.id).where(
        roles.c.tenant_id == users.tenant_id, roles.c.id == any_(users.role_ids), or_(*given)
    )
    found = select(users.id).where(users.tenant_id == bindparam("tenant_id"), users.active, role.exists())
    return found.order_by(users.id).limit(MAX_KEEPERS)
