"""When subscriptions of reports are due: by the schedules of automation rules, with a table of their own."""

import random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Select, bindparam, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from crm_kit.automation.timing.commands import MOST_TURNS
from crm_kit.automation.timing.model import Timer, first_timer
from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict
from crm_kit.plumbing import access_tenants, report_timers
from crm_kit.reports.model import Report

BATCH = 200
A_TENANTS_SHARE = 20


def set_timers(work: UnitOfWork, before: Report | None, after: Report) -> None:
    """Gather when its subscriptions are due, where they are new or at another time, and that others are no longer."""
    old, new = before.sent if before else {}, after.sent
    for id in old.keys() - new.keys():
        work.delete(report_timers, subscription_id=id)
    zone = ZoneInfo(work.actor.access.time_zone)
    for id, each in new.items():
        if id in old and old[id].schedule == each.schedule:
            continue
        timer = first_timer(id, each.schedule, now=work.now, zone=zone)
        # Whoever has read the timer that it had until now does not move this one.
        values = _values(timer) | {"turn": random.randrange(MOST_TURNS)}
        work.execute(put_timer(), **values, report_id=after.id)


def remove_timer(work: UnitOfWork, timer: Timer) -> None:
    """Gather that a subscription is not looked at any more."""
    work.delete(report_timers, subscription_id=timer.rule_id)


def move_timer(work: UnitOfWork, before: Timer, after: Timer) -> None:
    """Gather how far a subscription has come; the unit fails as Conflict where somebody else has moved it."""
    work.execute(
        replace_timer(),
        unmet=lambda: Conflict("another process was at the same subscription"),
        expected_turn=before.turn,
        **_values(after),
    )


def timer_from(row: Record) -> Timer:
    """The timer of a subscription."""
    return Timer(row["subscription_id"], row["due_time"], day=row["day"], after_id=row["after_id"], turn=row["turn"])


def _values(timer: Timer) -> dict[str, Any]:
    values = {"due_time": timer.due_time, "day": timer.day, "after_id": timer.after_id, "turn": timer.turn}
    return {"subscription_id": timer.rule_id, **values}


@statement
def due_timers() -> Select[Any]:
    """Of each open tenant the first that are due on its clock, each found by an index; first the first of each."""
    timers, tenant = report_timers, access_tenants
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


@statement
def put_timer() -> Any:
    """In the place of the one that the subscription had: in one statement none could be deleted and inserted."""
    names = ("tenant_id", "subscription_id", "report_id", "due_time", "day", "after_id", "turn")
    fresh = insert(report_timers).values({name: bindparam(name) for name in names})
    changed = {name: fresh.excluded[name] for name in ("due_time", "day", "after_id", "turn")}
    return fresh.on_conflict_do_update(index_elements=["tenant_id", "subscription_id"], set_=changed)


@statement
def replace_timer() -> Any:
    table = report_timers
    changed: dict[str, Any] = {name: bindparam(name) for name in ("due_time", "day", "after_id", "turn")}
    return (
        update(table)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.subscription_id == bindparam("subscription_id"),
            table.c.turn == bindparam("expected_turn"),
        )
        .values(changed)
        .returning(table.c.subscription_id)
    )
