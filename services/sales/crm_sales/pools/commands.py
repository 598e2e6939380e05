"""Every write on pools."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.etags import check_etag

from crm_sales.pools.model import DEFAULT_RULES, Pool
from crm_sales.pools.queries import default_pool_id, find_pool, get_pool, stored_rules
from crm_sales.pools.tables import pools
from crm_sales.pools.wire import pool_created, pool_updated
from crm_sales.saving import Records, changed_names


def stored(pool: Pool) -> dict[str, Any]:
    """The pool's row."""
    return row_of(pool) | {"rules": stored_rules(pool.rules)}


RECORDS = Records("pool", pools, stored, history=lambda pool: SimpleNamespace(**stored(pool)))


async def provide_default_pool(work: UnitOfWork) -> None:
    """Make the tenant's pool unless it is there."""
    if await find_pool(work) is None:
        pool = Pool(default_pool_id(work.tenant_id), "公海", DEFAULT_RULES, work.now, work.now)
        RECORDS.create(work, pool, pool_created(pool))


async def update_pool(work: UnitOfWork, values: Mapping[str, Any], *, etag: str = "") -> Pool:
    """Change some fields of the pool. Leads follow: the reclaim run sees that the rules are newer."""
    before = await get_pool(work)
    check_etag(etag, before.version)
    after = replace(before, **values)
    return RECORDS.save(work, before, after, partial(pool_updated, changed_fields=changed_names(before, after)))
