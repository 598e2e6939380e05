"""Every SELECT on tenants."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from sqlalchemy import Select, bindparam, select

from crm_customer.directory.tenants.model import Tenant
from crm_customer.directory.tenants.tables import tenant_slugs, tenants

COLUMNS = [column for column in tenants.c if column.name not in {"tenant_id", "turn"}]


@statement
def own_tenant() -> Select[Any]:
    return select(*COLUMNS).where(tenants.c.tenant_id == bindparam("tenant_id"))


@statement
def turn_of_tenant() -> Select[Any]:
    return select(tenants.c.turn).where(tenants.c.tenant_id == bindparam("tenant_id"))


@statement
def id_of_slug() -> Select[Any]:
    return select(tenant_slugs.c.id).where(
        tenant_slugs.c.tenant_id == bindparam("tenant_id"), tenant_slugs.c.slug == bindparam("slug")
    )


async def get_tenant(reader: Reader) -> Tenant:
    """The reader's own tenant."""
    tenant = await find_tenant(reader)
    if tenant is None:
        raise NotFound("the tenant does not exist")
    return tenant


async def find_tenant(reader: Reader) -> Tenant | None:
    """The reader's own tenant, None while it is not yet made."""
    row = await reader.one(own_tenant())
    return tenant_from(row) if row else None


async def find_tenant_id(database: Database, slug: str) -> UUID | None:
    """Whose slug this is."""
    rows = await database.all(SYSTEM_TENANT, id_of_slug(), {"tenant_id": SYSTEM_TENANT, "slug": slug})
    return rows[0]["id"] if rows else None


def tenant_from(row: Record) -> Tenant:
    """The entity that a row of `COLUMNS` holds."""
    return Tenant(**dict(row))
