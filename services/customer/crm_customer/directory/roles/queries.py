"""Every SELECT on roles that their declaration does not make."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import FailedPrecondition, invalid_field
from crm_kit.plumbing import access_roles, access_users
from sqlalchemy import Select, any_, bindparam, select

from crm_customer.directory.roles.model import EVERYTHING, Role, Scope
from crm_customer.directory.roles.resource import ROLES
from crm_customer.directory.roles.tables import roles

NOBODY = UUID(int=0)


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
