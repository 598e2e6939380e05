"""The counters that hold the pool's limits: open leads owned by each user, and leads claimed by each in a day."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from sqlalchemy import Integer, Table, bindparam, or_, update
from sqlalchemy.dialects.postgresql import insert

from crm_sales.leads.model import Lead
from crm_sales.leads.queries import held_by
from crm_sales.leads.tables import lead_claims, lead_holders
from crm_sales.pools.claims import capacity_reached, daily_limit_reached
from crm_sales.pools.model import Pool


async def check_capacity(reader: Reader, user_id: UUID, pool: Pool) -> None:
    """POOL_CAPACITY_REACHED when the user owns as many as the pool allows, by what is true when this is asked."""
    capacity = pool.rules.capacity
    if capacity is not None and await held_by(reader, user_id) >= capacity:
        raise capacity_reached(capacity)


def count_owned(work: UnitOfWork, before: Lead | None, after: Lead, pool: Pool) -> None:
    """Gather what a change of owner does to the counters. The capacity holds whoever comes at the same time."""
    old, new = before.holder_id if before else None, after.holder_id
    if old == new:
        return
    if old is not None:
        work.execute(count_one_less(), user_id=old)
    if new is not None:
        capacity = pool.rules.capacity
        work.execute(
            count_one_more(lead_holders, "held", ("user_id",)),
            unmet=lambda: capacity_reached(capacity or 0),
            user_id=new,
            limit=capacity,
        )


def count_claim(work: UnitOfWork, user_id: UUID, pool: Pool) -> None:
    """Gather that the user claims one more today. The limit holds whoever comes at the same time."""
    rules = pool.rules.of_tenant(work.actor.access.time_zone)
    work.execute(
        count_one_more(lead_claims, "claims", ("user_id", "day_date")),
        unmet=lambda: daily_limit_reached(rules, work.now),
        user_id=user_id,
        day_date=work.now.astimezone(rules.zone()).date(),
        limit=rules.claims_per_day,
    )


@statement
def count_one_more(table: Table, column: str, key: tuple[str, ...]) -> Any:
    """One more, up to `limit`. A first one is let in: who asks has seen that the limit is not 0."""
    fresh = insert(table).values({name: bindparam(name) for name in ("tenant_id", *key)} | {column: 1})
    limit = bindparam("limit", type_=Integer)
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, *(table.c[name] for name in key)],
        set_={column: table.c[column] + 1},
        where=or_(limit.is_(None), table.c[column] < limit),
    ).returning(table.c.user_id)


@statement
def count_one_less() -> Any:
    return (
        update(lead_holders)
        .where(lead_holders.c.tenant_id == bindparam("tenant_id"), lead_holders.c.user_id == bindparam("user_id"))
        .values(held=lead_holders.c.held - 1)
    )
