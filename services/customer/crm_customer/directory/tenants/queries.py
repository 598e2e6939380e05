"""Every SELECT on tenants that their declaration does not make."""

from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_customer.directory.tenants.model import Tenant
from crm_customer.directory.tenants.resource import TENANTS
from crm_customer.directory.tenants.tables import tenant_slugs, tenants


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
    return await TENANTS.get(reader, reader.tenant_id)


async def find_tenant(reader: Reader) -> Tenant | None:
    """The reader's own tenant, None while it is not yet made."""
    return await TENANTS.find(reader, reader.tenant_id)


async def find_tenant_id(database: Database, slug: str) -> UUID | None:
    """Whose slug this is."""
    rows = await database.all(SYSTEM_TENANT, id_of_slug(), {"tenant_id": SYSTEM_TENANT, "slug": slug})
    return rows[0]["id"] if rows else None


def now_on(tenant: Tenant, reader: Reader) -> datetime:
    """The time on the tenant's clock: by its row, which is newer than what the reader's access was read from."""
    return reader.now - reader.actor.access.clock_offset + tenant.clock_offset
