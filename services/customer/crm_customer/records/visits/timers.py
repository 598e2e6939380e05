"""When planned visits count as missed: a row for each, which is found across tenants."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, bindparam, select, true, update

from crm_customer.records.visits.model import Visit
from crm_customer.records.visits.tables import visit_timers

A_TENANTS_SHARE = 100
BATCH = 500


def set_timer(work: UnitOfWork, visit: Visit) -> None:
    """Gather when a new visit counts as missed."""
    work.insert(visit_timers, {"visit_id": visit.id, "due_time": visit.overdue_time})


def move_timer(work: UnitOfWork, visit: Visit) -> None:
    """Gather that a planned visit counts as missed at another time."""
    work.execute(move(), visit_id=visit.id, due_time=visit.overdue_time)


def stop_timer(work: UnitOfWork, visit: Visit) -> None:
    """Gather that it is settled what became of a planned visit."""
    work.delete(visit_timers, visit_id=visit.id)


@statement
def move() -> Any:
    return (
        update(visit_timers)
        .where(visit_timers.c.tenant_id == bindparam("tenant_id"), visit_timers.c.visit_id == bindparam("visit_id"))
        .values(due_time=bindparam("due_time", type_=DateTime(timezone=True)))
    )


@statement
def due_timers() -> Select[Any]:
    """Of each active tenant the first that are due on its clock, each found by an index."""
    timers, tenant = visit_timers.c, access_tenants.c
    due = (
        select(timers.visit_id, timers.due_time)
        .where(
            timers.tenant_id == tenant.tenant_id,
            timers.due_time <= bindparam("now", type_=DateTime(timezone=True)) + tenant.clock_offset,
        )
        .order_by(timers.due_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    return (
        select(tenant.tenant_id, tenant.clock_offset, due.c.visit_id)
        .join_from(access_tenants, due, true())
        .where(tenant.active)
        .order_by(due.c.due_time)
        .limit(BATCH)
    )
