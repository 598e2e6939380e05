"""Every SELECT on roles."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound, invalid_field
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.directory.roles.model import Role
from crm_customer.directory.roles.tables import roles

COLUMNS = [column for column in roles.c if column.name != "tenant_id"]


@statement
def role_by_id() -> Select[Any]:
    return select(*COLUMNS).where(roles.c.tenant_id == bindparam("tenant_id"), roles.c.id == bindparam("id"))


@statement
def roles_by_ids() -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return select(*COLUMNS).where(roles.c.tenant_id == bindparam("tenant_id"), roles.c.id == any_(ids))


@statement
def built_in_roles() -> Select[Any]:
    return select(*COLUMNS).where(roles.c.tenant_id == bindparam("tenant_id"), roles.c.built_in)


def _listed(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(roles.c.tenant_id == bindparam("tenant_id"))


LISTING = Listing(
    name="roles",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": FilterField(FieldType.UUID, roles.c.id),
            "display_name": FilterField(FieldType.TEXT, roles.c.display_name),
            "built_in": FilterField(FieldType.BOOL, roles.c.built_in),
            "create_time": FilterField(FieldType.INSTANT, roles.c.create_time),
            "update_time": FilterField(FieldType.INSTANT, roles.c.update_time),
        }
    ),
    orders={
        "id": OrderColumn(roles.c.id),
        "create_time": OrderColumn(roles.c.create_time),
        "update_time": OrderColumn(roles.c.update_time),
        "display_name": OrderColumn(roles.c.display_name),
    },
)


async def get_role(reader: Reader, id: UUID) -> Role:
    """The role; NotFound when there is none."""
    row = await reader.one(role_by_id(), id=id)
    if row is None:
        raise NotFound("the role does not exist")
    return role_from(row)


async def get_roles(reader: Reader, ids: Collection[UUID], *, field: str) -> dict[UUID, Role]:
    """The roles by id; InvalidArgument naming `field` when one does not exist."""
    if not ids:
        return {}
    rows = await reader.all(roles_by_ids(), ids=list(ids))
    found = {row["id"]: role_from(row) for row in rows}
    for id in ids:
        if id not in found:
            raise invalid_field(field, "reference", f"{id} does not exist", reason="REFERENCE_NOT_FOUND")
    return found


async def get_built_in_roles(reader: Reader) -> dict[str, Role]:
    """The roles that the platform brings, by name."""
    return {row["display_name"]: role_from(row) for row in await reader.all(built_in_roles())}


def role_from(row: Record) -> Role:
    """The entity that a row of `COLUMNS` holds."""
    return Role(**dict(row))
