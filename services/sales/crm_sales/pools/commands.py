"""Every write on pools."""

from typing import Any

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.history import record_change
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_sales.pools.model import STARTING_RULES, Pool
from crm_sales.pools.queries import get_pool, pool_id_of, stored_rules
from crm_sales.pools.tables import pools


def provide_pool(work: UnitOfWork) -> None:
    """Make the tenant's pool unless it is there."""
    pool = Pool(pool_id_of(work.tenant_id), "公海", STARTING_RULES, create_time=work.now, update_time=work.now)
    work.execute(put_new_pool(), **stored(pool))


async def update_pool(work: UnitOfWork, values: dict[str, Any], *, etag: str = "") -> Pool:
    """Change some fields of the pool. Leads in hands follow: the reclaim run sees that the rules are newer."""
    before = await get_pool(work)
    after = before.update(values, now=work.now, etag=etag)
    if after is before:
        return before
    work.save(pools, stored(after), version=before.version)
    record_change(work, "pool", action="UPDATED", before=_plain(before), after=_plain(after))
    return after


def stored(pool: Pool) -> dict[str, Any]:
    """The pool's row."""
    return row_of(pool) | {"rules": stored_rules(pool.rules)}


def _plain(pool: Pool) -> Any:
    """The pool with its rules as history keeps them."""
    return Pool(**row_of(pool) | {"rules": stored_rules(pool.rules)})


@statement
def put_new_pool() -> Any:
    return insert(pools).values({column.name: bindparam(column.name) for column in pools.c}).on_conflict_do_nothing()
