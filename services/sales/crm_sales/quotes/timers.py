"""When quotes that were sent expire: a row for each, which is found across tenants."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.plumbing import access_tenants
from sqlalchemy import Date, DateTime, Select, bindparam, cast, func, select, true, update

from crm_sales.quotes.model import Quote
from crm_sales.quotes.tables import quote_timers

A_TENANTS_SHARE = 100
BATCH = 500


def set_timer(work: UnitOfWork, quote: Quote) -> None:
    """Gather until when a quote that is sent can be accepted."""
    work.insert(quote_timers, {"quote_id": quote.id, "valid_until_date": quote.valid_until_date})


def stop_timer(work: UnitOfWork, quote: Quote) -> None:
    """Gather that it is settled what became of a quote that was sent."""
    work.delete(quote_timers, quote_id=quote.id)


@statement
def put_off() -> Any:
    """Look at a quote again a day later."""
    return (
        update(quote_timers)
        .where(quote_timers.c.tenant_id == bindparam("tenant_id"), quote_timers.c.quote_id == bindparam("quote_id"))
        .values(valid_until_date=quote_timers.c.valid_until_date + 1)
    )


@statement
def due_timers() -> Select[Any]:
    """Of each active tenant the first whose last day has passed where the tenant is, each found by an index."""
    timers, tenant = quote_timers.c, access_tenants.c
    time = bindparam("now", type_=DateTime(timezone=True)) + tenant.clock_offset
    due = (
        select(timers.quote_id, timers.valid_until_date)
        .where(
            timers.tenant_id == tenant.tenant_id,
            timers.valid_until_date < cast(func.timezone(tenant.time_zone, time), Date),
        )
        .order_by(timers.valid_until_date)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    return (
        select(tenant.tenant_id, tenant.clock_offset, tenant.time_zone, due.c.quote_id)
        .join_from(access_tenants, due, true())
        .where(tenant.active)
        .order_by(due.c.valid_until_date)
        .limit(BATCH)
    )
