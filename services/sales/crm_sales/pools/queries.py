"""Finding the pool of a tenant."""

from uuid import UUID, uuid5

from crm_kit.database.work import Reader
from crm_kit.errors import Unavailable

from crm_sales.pools.model import Pool
from crm_sales.pools.resource import POOLS


def default_pool_id(tenant_id: UUID) -> UUID:
    """The id of a tenant's pool: the same whoever makes it."""
    return uuid5(tenant_id, "pool")


async def find_pool(reader: Reader) -> Pool | None:
    """The tenant's pool, if it is there yet."""
    return await POOLS.find(reader, default_pool_id(reader.tenant_id))


async def get_pool(reader: Reader) -> Pool:
    """The tenant's pool. It comes with the tenant: Unavailable until then."""
    pool = await find_pool(reader)
    if pool is None:
        raise Unavailable("the tenant's pool is not set up yet; try again", retry_after_seconds=1)
    return pool
