"""Every SELECT on users. What the reader may not see is not found."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import FailedPrecondition, NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import ColumnElement, Select, any_, bindparam, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.directory.roles.model import ALL, EVERYTHING
from crm_customer.directory.roles.tables import roles
from crm_customer.directory.users.model import User
from crm_customer.directory.users.tables import users

COLUMNS = [column for column in users.c if column.name != "tenant_id"]
NOBODY = UUID(int=0)


def visible_users(scope: Scope) -> ColumnElement[bool]:
    """Which users the actor may see: OWN is themselves, TEAM those of their team and below."""
    if scope is Scope.ALL:
        return true()
    themselves: ColumnElement[bool] = users.c.id == bindparam("me")
    if scope is Scope.OWN:
        return themselves
    return or_(themselves, users.c.team_id == any_(bindparam("team_ids", type_=ARRAY(Uuid))))


@statement
def user_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        users.c.tenant_id == bindparam("tenant_id"), users.c.id == bindparam("id"), visible_users(scope)
    )


@statement
def users_by_logins() -> Select[Any]:
    logins = bindparam("logins", type_=ARRAY(users.c.login.type))
    return select(*COLUMNS).where(users.c.tenant_id == bindparam("tenant_id"), users.c.login == any_(logins))


@statement
def other_administrator() -> Select[Any]:
    """One active user with a role that administers, leaving out one user and one role."""
    return (
        select(users.c.id)
        .join(roles, (roles.c.tenant_id == users.c.tenant_id) & (roles.c.id == any_(users.c.role_ids)))
        .where(
            users.c.tenant_id == bindparam("tenant_id"),
            users.c.active,
            users.c.id != bindparam("without_user"),
            roles.c.tenant_id == bindparam("tenant_id"),
            roles.c.id != bindparam("without_role"),
            roles.c.grants[EVERYTHING].astext == ALL,
        )
        .limit(1)
    )


def _listed(scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(users.c.tenant_id == bindparam("tenant_id"), visible_users(scope))


LISTING = Listing(
    name="users",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": user_field(users.c.id),
            "display_name": FilterField(FieldType.TEXT, users.c.display_name),
            "login": FilterField(FieldType.TEXT, users.c.login),
            "active": FilterField(FieldType.BOOL, users.c.active),
            "team_id": team_field(users.c.team_id),
            "role_ids": FilterField(FieldType.UUID_LIST, users.c.role_ids),
            "create_time": FilterField(FieldType.INSTANT, users.c.create_time),
            "update_time": FilterField(FieldType.INSTANT, users.c.update_time),
        }
    ),
    orders={
        "id": OrderColumn(users.c.id),
        "create_time": OrderColumn(users.c.create_time),
        "update_time": OrderColumn(users.c.update_time),
        "display_name": OrderColumn(users.c.display_name),
    },
)


async def get_user(reader: Reader, id: UUID, *, scope: Scope | None = None) -> User:
    """The user; NotFound when there is none or the reader may not see them. The scope is the call's unless given."""
    row = await reader.one(user_by_id(scope or reader.scope), id=id)
    if row is None:
        raise NotFound("the user does not exist")
    return user_from(row)


async def get_users_by_logins(reader: Reader, logins: list[str]) -> dict[str, User]:
    """Those of the users that exist, by login."""
    return {row["login"]: user_from(row) for row in await reader.all(users_by_logins(), logins=logins)}


async def check_administrator_stays(
    reader: Reader, *, without_user: UUID = NOBODY, without_role: UUID = NOBODY
) -> None:
    """Raise FailedPrecondition when nobody would administer the tenant without this user, or this role."""
    if await reader.one(other_administrator(), without_user=without_user, without_role=without_role) is None:
        raise FailedPrecondition("the last administrator of a tenant stays one", reason="LAST_ADMINISTRATOR")


def user_from(row: Record) -> User:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    values["role_ids"] = tuple(values["role_ids"])
    return User(**values)
