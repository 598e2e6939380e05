"""Which timers are due."""

from typing import Any

from sqlalchemy import DateTime, Select, bindparam, func, select, true

from crm_kit.automation.timing.model import Timer
from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.plumbing import access_tenants, automation_timers

BATCH = 500
A_TENANTS_SHARE = 20


def timer_from(row: Record) -> Timer:
    names = ("rule_id", "due_time", "day", "since_time", "until_time", "after_id", "taken", "turn")
    return Timer(**{name: row[name] for name in names})


@statement
def due_timers() -> Select[Any]:
    """Of each open tenant the first that are due on its clock, each found by an index; first the first of each."""
    timers, tenant = automation_timers, access_tenants
    due = (
        select(timers)
        .where(
            timers.c.tenant_id == tenant.c.tenant_id,
            timers.c.due_time <= bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset,
        )
        .order_by(timers.c.due_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    number = func.row_number().over(partition_by=tenant.c.tenant_id, order_by=due.c.due_time)
    return (
        select(due, tenant.c.clock_offset, tenant.c.time_zone)
        .join_from(tenant, due, true())
        .where(tenant.c.active)
        .order_by(number, due.c.due_time)
        .limit(BATCH)
    )
