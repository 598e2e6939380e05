"""When each tenant's pool is to be looked at next, so that nobody has to look at all of them to find what is due."""

from datetime import datetime
from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, Uuid, bindparam, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from crm_sales.pools.tables import pool_visits

INSTANT = DateTime(timezone=True)


def look_at(work: UnitOfWork, time: datetime) -> None:
    """Gather that the pool is to be looked at then, on the tenant's clock, unless that is sooner anyway."""
    work.execute(bring_forward(), time=time)


@statement
def bring_forward() -> Insert:
    """Nearly always it is sooner anyway: then no row is locked, and no two requests wait for each other."""
    tenant_id, time = bindparam("tenant_id", type_=Uuid), bindparam("time", type_=INSTANT)
    is_sooner = (
        select(literal_column("1"))
        .where(pool_visits.c.tenant_id == tenant_id, pool_visits.c.due_time <= time)
        .correlate(None)
        .exists()
    )
    fresh = insert(pool_visits).from_select(["tenant_id", "due_time"], select(tenant_id, time).where(~is_sooner))
    return fresh.on_conflict_do_update(
        index_elements=[pool_visits.c.tenant_id],
        set_={"due_time": func.least(pool_visits.c.due_time, fresh.excluded.due_time)},
    )


@statement
def due_visits() -> Select[Any]:
    """Tenants at work whose pool is due on their clock; `now` is the system's time."""
    tenant = access_tenants.c
    now = bindparam("now", type_=INSTANT) + tenant.clock_offset
    return (
        select(tenant.tenant_id, tenant.clock_offset, pool_visits.c.due_time)
        .join(pool_visits, pool_visits.c.tenant_id == tenant.tenant_id)
        .where(tenant.active, pool_visits.c.due_time <= now)
        .order_by(pool_visits.c.due_time)
    )


@statement
def put_off() -> Any:
    """The pool was looked at; whoever has brought the next visit forward meanwhile is right."""
    visits = pool_visits
    return (
        update(visits)
        .where(visits.c.tenant_id == bindparam("tenant_id"), visits.c.due_time == bindparam("seen_time", type_=INSTANT))
        .values(due_time=bindparam("next_time", type_=INSTANT))
    )
