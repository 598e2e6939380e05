"""Every write on pools."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crm.sales.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork

from crm_sales.pools.model import DEFAULT_RULES, Pool
from crm_sales.pools.queries import default_pool_id, find_pool
from crm_sales.pools.resource import POOLS
from crm_sales.pools.visits import look_at


async def provide_default_pool(work: UnitOfWork) -> None:
    """Make the tenant's pool unless it is there."""
    if await find_pool(work) is None:
        POOLS.create(work, Pool(default_pool_id(work.tenant_id), "公海", DEFAULT_RULES, work.now, work.now))


def update_pool(work: UnitOfWork, before: Pool, values: Mapping[str, Any]) -> Pool:
    """Change some fields of a pool. Leads follow: the reclaim run sees that the rules are newer."""
    look_at(work, work.now)
    return POOLS.save(work, before, replace(before, **values), events.PoolUpdated)
