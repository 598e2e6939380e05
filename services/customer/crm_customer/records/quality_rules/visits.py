"""When the records of a tenant's collection are to be looked at next, so that nobody has to look at all of them."""

from datetime import datetime
from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, Text, Uuid, bindparam, false, literal_column, select, true, update
from sqlalchemy.dialects.postgresql import Insert, insert

from crm_customer.records.quality_rules.tables import quality_visits

INSTANT = DateTime(timezone=True)


def look_at(work: UnitOfWork, collection: str) -> None:
    """Gather that the records are to be looked at now: their rules have changed."""
    if _asks_first(work, collection):
        work.execute(begin_anew(), collection=collection, time=work.now)


def look_soon(work: UnitOfWork, collection: str) -> None:
    """Gather the same unless they are looked at anyway: then no row is locked, and nobody waits for another."""
    if _asks_first(work, collection):
        work.execute(begin_unless_pending(), collection=collection, time=work.now)


def _asks_first(work: UnitOfWork, collection: str) -> bool:
    """Whether this unit has not asked before: no statement can write one row twice."""
    key = (quality_visits.name, collection)
    is_first = key not in work.known
    work.known[key] = True
    return is_first


@statement
def begin_anew() -> Insert:
    fresh = insert(quality_visits).values(
        tenant_id=bindparam("tenant_id"),
        collection=bindparam("collection"),
        due_time=bindparam("time", type_=INSTANT),
        pending=true(),
        assessed_count=0,
    )
    return _instead(fresh)


@statement
def begin_unless_pending() -> Insert:
    tenant_id, collection = bindparam("tenant_id", type_=Uuid), bindparam("collection", type_=Text)
    is_pending = (
        select(literal_column("1"))
        .where(
            quality_visits.c.tenant_id == tenant_id, quality_visits.c.collection == collection, quality_visits.c.pending
        )
        .correlate(None)
        .exists()
    )
    names = ["tenant_id", "collection", "due_time", "pending", "assessed_count"]
    time = bindparam("time", type_=INSTANT)
    row = select(tenant_id, collection, time, true(), literal_column("0")).where(~is_pending)
    return _instead(insert(quality_visits).from_select(names, row))


def _instead(fresh: Insert) -> Insert:
    kept = ("due_time", "pending", "assessed_count")
    return fresh.on_conflict_do_update(
        index_elements=[quality_visits.c.tenant_id, quality_visits.c.collection],
        set_={name: fresh.excluded[name] for name in kept},
    )


@statement
def due_visits() -> Select[Any]:
    """Collections of tenants at work that are due on the tenant's clock; `now` is the system's time."""
    tenant, visit = access_tenants.c, quality_visits.c
    now = bindparam("now", type_=INSTANT) + tenant.clock_offset
    return (
        select(tenant.tenant_id, tenant.clock_offset, visit.collection, visit.due_time)
        .join(quality_visits, visit.tenant_id == tenant.tenant_id)
        .where(tenant.active, visit.due_time <= now)
        .order_by(visit.due_time)
    )


def count(work: UnitOfWork, collection: str, number: int) -> None:
    """Gather that so many more records were assessed."""
    work.execute(add_to_count(), collection=collection, number=number)


@statement
def add_to_count() -> Any:
    visits = quality_visits
    return (
        update(visits)
        .where(visits.c.tenant_id == bindparam("tenant_id"), visits.c.collection == bindparam("collection"))
        .values(assessed_count=visits.c.assessed_count + bindparam("number"))
    )


def put_off(work: UnitOfWork, collection: str, *, seen_time: datetime, next_time: datetime) -> None:
    """Gather that all records were looked at; whoever has asked for another look meanwhile is right."""
    work.execute(finish(), collection=collection, seen_time=seen_time, next_time=next_time)


@statement
def finish() -> Any:
    visits = quality_visits
    return (
        update(visits)
        .where(
            visits.c.tenant_id == bindparam("tenant_id"),
            visits.c.collection == bindparam("collection"),
            visits.c.due_time == bindparam("seen_time", type_=INSTANT),
        )
        .values(due_time=bindparam("next_time", type_=INSTANT), pending=false())
    )
