"""Leads in hands: the facts that protect them, and the counters that hold the pool's limits."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.identity.access import Scope, visible
from sqlalchemy import Integer, Select, Table, any_, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Uuid

from crm_sales.leads.model import Lead
from crm_sales.leads.queries import COLUMNS, held_by, lead_from
from crm_sales.leads.tables import HELD, lead_claims, lead_follow_ups, lead_holders, leads
from crm_sales.pools.model import FollowUp, FollowUpKind, Holding, Pool, Protection, protection

BATCH = 500
# A conversion that nobody has gone on with for so long is given up by the pool.
CONVERSION_LASTS = timedelta(hours=1)


# --- what protects


@statement
def follow_ups_of_leads() -> Select[Any]:
    rows = lead_follow_ups
    return (
        select(rows.c.lead_id, rows.c.kind, rows.c.happen_time, rows.c.record_time)
        .join(leads, (leads.c.tenant_id == rows.c.tenant_id) & (leads.c.id == rows.c.lead_id))
        .where(
            rows.c.tenant_id == bindparam("tenant_id"),
            rows.c.lead_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            rows.c.record_time >= leads.c.take_time,
        )
    )


@statement
def held_after(scope: Scope) -> Select[Any]:
    return (
        select(*COLUMNS)
        .where(
            leads.c.tenant_id == bindparam("tenant_id"),
            HELD,
            leads.c.id > bindparam("after_id", type_=Uuid),
            visible(leads, scope),
        )
        .order_by(leads.c.id)
        .limit(bindparam("batch", type_=Integer))
    )


async def follow_ups_of(reader: Reader, ids: Collection[UUID]) -> dict[UUID, tuple[FollowUp, ...]]:
    """The follow-ups of leads since each was taken."""
    found: dict[UUID, list[FollowUp]] = defaultdict(list)
    for row in await reader.all(follow_ups_of_leads(), ids=list(ids)):
        found[row["lead_id"]].append(follow_up_from(row))
    return {id: tuple(follow_ups) for id, follow_ups in found.items()}


async def held_leads(reader: Reader) -> AsyncIterator[list[Holding]]:
    """All leads in hands that the reader may see, in batches."""
    after_id = UUID(int=0)
    while True:
        rows = await reader.all(held_after(reader.scope), after_id=after_id, batch=BATCH)
        if not rows:
            return
        after_id = rows[-1]["id"]
        follow_ups = await follow_ups_of(reader, [row["id"] for row in rows])
        yield [holding_of(lead_from(row), follow_ups.get(row["id"], ())) for row in rows]


def follow_up_from(row: Record) -> FollowUp:
    return FollowUp(FollowUpKind(row["kind"]), row["happen_time"], row["record_time"])


def holding_of(lead: Lead, follow_ups: tuple[FollowUp, ...]) -> Holding:
    """The facts of a lead that somebody holds."""
    assert lead.take_time is not None
    return Holding(
        id=str(lead.id),
        owner_id=lead.owner_id,
        taken=lead.take_time,
        follow_ups=follow_ups,
        is_converting=lead.is_converting,
    )


async def protection_of(reader: Reader, lead: Lead, pool: Pool, more: tuple[FollowUp, ...] = ()) -> Protection:
    """Until when a held lead is safe; `more` are follow-ups that are not written yet."""
    if not lead.holder_id:
        raise FailedPrecondition("nobody holds the lead: there is nothing to protect")
    known = (await follow_ups_of(reader, [lead.id])).get(lead.id, ())
    return protection(holding_of(lead, (*known, *more)), pool.rules, reader.now)


async def with_protection(reader: Reader, lead: Lead, pool: Pool, more: tuple[FollowUp, ...] = ()) -> Lead:
    """The lead with the time at which the reclaim run has to look at it."""
    safe_until: datetime | None = None
    if lead.holder_id:
        safe_until = (await protection_of(reader, lead, pool, more)).safe_until
        if lead.is_converting and lead.conversion and lead.conversion.attempt_time:
            safe_until = lead.conversion.attempt_time + CONVERSION_LASTS
    return replace(lead, safe_until_time=safe_until, rules_version=pool.version)


# --- limits


async def check_capacity(reader: Reader, user_id: str, pool: Pool) -> None:
    """POOL_CAPACITY_REACHED when the user holds as many as the pool allows, by what is true when this is asked."""
    capacity = pool.rules.capacity
    if capacity is not None and await held_by(reader, user_id) >= capacity:
        raise capacity_reached(capacity)


def count_hands(work: UnitOfWork, before: Lead | None, after: Lead, pool: Pool) -> None:
    """Gather what a change of hands does to the counters. The capacity holds whoever comes at the same time."""
    old = before.holder_id if before else ""
    new = after.holder_id
    if old == new:
        return
    if old:
        work.execute(hold_one_less(), user_id=old)
    if new:
        capacity = pool.rules.capacity
        work.execute(
            count_up(lead_holders, "held", ("user_id",)),
            unmet=lambda: capacity_reached(capacity or 0),
            user_id=new,
            most=capacity,
        )


def count_claim(work: UnitOfWork, user_id: str, pool: Pool) -> None:
    """Gather that the user claims one more today. The limit holds whoever comes at the same time."""
    most = pool.rules.claims_per_day
    work.execute(
        count_up(lead_claims, "claims", ("user_id", "day_date")),
        unmet=lambda: FailedPrecondition(f"the pool allows {most} claims a day", reason="POOL_DAILY_LIMIT_REACHED"),
        user_id=user_id,
        day_date=work.now.astimezone(pool.rules.zone()).date(),
        most=most,
    )


def capacity_reached(capacity: int) -> FailedPrecondition:
    return FailedPrecondition(f"the pool allows {capacity} leads in one hand", reason="POOL_CAPACITY_REACHED")


@statement
def count_up(table: Table, column: str, key: tuple[str, ...]) -> Any:
    """One more, if that is not more than `most`. A first one is let in: who asks has seen that the limit is not 0."""
    fresh = insert(table).values({name: bindparam(name) for name in ("tenant_id", *key)} | {column: 1})
    most = bindparam("most", type_=Integer)
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, *(table.c[name] for name in key)],
        set_={column: table.c[column] + 1},
        where=or_(most.is_(None), table.c[column] < most),
    ).returning(table.c.user_id)


@statement
def hold_one_less() -> Any:
    return (
        update(lead_holders)
        .where(lead_holders.c.tenant_id == bindparam("tenant_id"), lead_holders.c.user_id == bindparam("user_id"))
        .values(held=lead_holders.c.held - 1)
    )
