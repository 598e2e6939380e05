"""Every SELECT on leads that their declaration does not make."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import FilterSchema
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Column, DateTime, Integer, Interval, Select, Uuid, bindparam, column, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, array

from crm_sales.leads.model import MAX_FOLLOW_UPS, Lead
from crm_sales.leads.resource import LEADS
from crm_sales.leads.tables import HELD, lead_claims, lead_follow_ups, lead_holders, leads
from crm_sales.pools.model import FollowUpKind
from crm_sales.pools.protection import CLOCK_SKEW, FollowUp

INSTANT = DateTime(timezone=True)


@statement
def held_by_user() -> Select[Any]:
    return select(lead_holders.c.held).where(
        lead_holders.c.tenant_id == bindparam("tenant_id"), lead_holders.c.user_id == bindparam("user_id")
    )


@statement
def claims_of_user() -> Select[Any]:
    return select(lead_claims.c.claims).where(
        lead_claims.c.tenant_id == bindparam("tenant_id"),
        lead_claims.c.user_id == bindparam("user_id"),
        lead_claims.c.day_date == bindparam("day_date"),
    )


@statement
def follow_ups_since() -> Select[Any]:
    """Those of a lead since it was taken."""
    rows = lead_follow_ups.c
    return select(rows.kind, rows.happen_time, rows.record_time).where(
        rows.tenant_id == bindparam("tenant_id"),
        rows.lead_id == bindparam("lead_id", type_=Uuid),
        rows.record_time >= bindparam("take_time", type_=INSTANT),
    )


@statement
def deciding_follow_ups() -> Select[Any]:
    """Of each lead and kind the follow-up that protects longest, as `protection` believes them since it was taken."""
    held = (
        func.unnest(bindparam("ids", type_=ARRAY(Uuid)), bindparam("take_times", type_=ARRAY(INSTANT)))
        .table_valued(column("lead_id", Uuid), column("take_time", INSTANT))
        .render_derived(name="held")
    )
    rows, backdating = lead_follow_ups.c, bindparam("backdating", type_=Interval)
    # Arrays are compared from their first value on: by when the protection starts.
    latest = func.max(array([func.least(rows.happen_time, rows.record_time), rows.happen_time, rows.record_time]))
    return (
        select(rows.lead_id, rows.kind, latest.label("latest"))
        .join_from(held, lead_follow_ups, rows.lead_id == held.c.lead_id)
        .where(
            rows.tenant_id == bindparam("tenant_id"),
            rows.record_time.between(held.c.take_time, bindparam("now", type_=INSTANT)),
            rows.happen_time.between(rows.record_time - backdating, rows.record_time + CLOCK_SKEW),
            rows.happen_time >= held.c.take_time - CLOCK_SKEW,
        )
        .group_by(rows.lead_id, rows.kind)
    )


def _follow_ups(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(lead_follow_ups).where(
        lead_follow_ups.c.tenant_id == bindparam("tenant_id"), lead_follow_ups.c.lead_id == bindparam("lead_id")
    )


FOLLOW_UPS = Listing(
    name="follow_ups",
    rows=_follow_ups,
    fields=FilterSchema({}),
    orders={"id": OrderColumn(lead_follow_ups.c.id)},
    default_order="id desc",
)


@statement
def follow_ups_after() -> Select[Any]:
    """Some follow-ups of a lead, whoever owned it then, from a position on."""
    found = _follow_ups(Scope.ALL, frozenset()).where(lead_follow_ups.c.id > bindparam("after_id", type_=Uuid))
    return found.order_by(lead_follow_ups.c.id).limit(bindparam("limit", type_=Integer))


@statement
def count_of_follow_ups() -> Select[Any]:
    some = _follow_ups(Scope.ALL, frozenset()).limit(MAX_FOLLOW_UPS).subquery()
    return select(func.count()).select_from(some)


@statement
def held_after(scope: Scope) -> Select[Any]:
    """What protects owned and open leads that the actor may see, by id, from a position on."""
    names = ("id", "owner_id", "take_time", "owned_since_time")
    return (
        LEADS.rows(scope)
        .with_only_columns(*(leads.c[name] for name in names), leads.c.conversion_attempt_time.label("attempt_time"))
        .where(HELD, leads.c.id > bindparam("after_id", type_=Uuid))
        .order_by(leads.c.id)
        .limit(bindparam("batch", type_=Integer))
    )


@statement
def leads_of_older_rules() -> Select[Any]:
    """Owned and open leads whose time is by an older version of the pool's rules, by id, from a position on."""
    return (
        LEADS.rows(Scope.ALL)
        .where(
            HELD,
            leads.c.rules_version < bindparam("rules_version", type_=Integer),
            leads.c.id > bindparam("after_id", type_=Uuid),
        )
        .order_by(leads.c.id)
        .limit(bindparam("batch", type_=Integer))
    )


@statement
def due_leads() -> Select[Any]:
    """Leads that are no longer safe, from a position on."""
    return _due(leads.c.safe_until_time)


@statement
def stale_conversions() -> Select[Any]:
    """Leads whose conversion nobody has gone on with since a time, from a position on."""
    return _due(leads.c.conversion_attempt_time)


def _due(time: Column[Any]) -> Select[Any]:
    """Leads by the time in a column, up to an end."""
    position = tuple_(bindparam("after_time", type_=INSTANT), bindparam("after_id", type_=Uuid))
    return (
        select(leads.c.id, time.label("due_time"))
        .where(
            leads.c.tenant_id == bindparam("tenant_id"),
            time <= bindparam("end_time", type_=INSTANT),
            tuple_(time, leads.c.id) > position,
        )
        .order_by(time, leads.c.id)
        .limit(bindparam("batch", type_=Integer))
    )


@statement
def next_due() -> Select[Any]:
    """When the first lead is no longer safe, and when the first conversion was gone on with; each by its index."""
    return select(
        select(func.min(leads.c.safe_until_time))
        .where(leads.c.tenant_id == bindparam("tenant_id"))
        .scalar_subquery()
        .label("safe_until_time"),
        select(func.min(leads.c.conversion_attempt_time))
        .where(leads.c.tenant_id == bindparam("tenant_id"), leads.c.conversion_attempt_time.is_not(None))
        .scalar_subquery()
        .label("attempt_time"),
    )


async def get_claimable(reader: Reader, id: UUID) -> Lead:
    """The lead, also when somebody was quicker: everybody has seen it in the pool, so it is no secret now."""
    lead = await LEADS.find(reader, id, scope=Scope.ALL)
    if lead is not None and (lead.was_pooled or lead.owner_id == reader.actor.user_id):
        return lead
    return await LEADS.get(reader, id)


async def held_by(reader: Reader, user_id: UUID) -> int:
    """How many open leads the user owns."""
    row = await reader.one(held_by_user(), user_id=user_id)
    return row["held"] if row else 0


async def claims_on(reader: Reader, user_id: UUID, day_date: date) -> int:
    """How many leads the user has claimed on a day."""
    row = await reader.one(claims_of_user(), user_id=user_id, day_date=day_date)
    return row["claims"] if row else 0


async def has_room(reader: Reader, lead_id: UUID) -> bool:
    """Whether a lead can have another follow-up."""
    row = await reader.one(count_of_follow_ups(), lead_id=lead_id)
    assert row is not None
    return bool(row[0] < MAX_FOLLOW_UPS)


async def next_follow_ups(reader: Reader, lead_id: UUID, *, after_id: UUID, limit: int) -> list[FollowUp]:
    """Some follow-ups of a lead from a position on, whoever owned it then."""
    rows = await reader.all(follow_ups_after(), lead_id=lead_id, after_id=after_id, limit=limit)
    return [follow_up_from(row) for row in rows]


def follow_up_from(row: Record) -> FollowUp:
    """A follow-up, with who did it."""
    names = ("id", "happen_time", "record_time", "user_id", "note")
    return FollowUp(kind=FollowUpKind(row["kind"]), **{name: row[name] for name in names})


async def known_follow_ups(reader: Reader, lead_id: UUID, *, take_time: datetime) -> tuple[FollowUp, ...]:
    """The follow-ups of a lead since it was taken."""
    rows = await reader.all(follow_ups_since(), lead_id=lead_id, take_time=take_time)
    return tuple(FollowUp(FollowUpKind(row["kind"]), row["happen_time"], row["record_time"]) for row in rows)


async def follow_ups_that_decide(
    reader: Reader, taken: Mapping[UUID, datetime], backdating: timedelta
) -> dict[UUID, list[FollowUp]]:
    """Of the follow-ups of leads, by id, since each was taken: those that can decide how long it is protected.

    They are one of each kind at most, however many there are.
    """
    found: dict[UUID, list[FollowUp]] = defaultdict(list)
    asked = {"ids": list(taken), "take_times": list(taken.values()), "backdating": backdating}
    for row in await reader.all(deciding_follow_ups(), **asked):
        _, happen_time, record_time = row["latest"]
        found[row["lead_id"]].append(FollowUp(FollowUpKind(row["kind"]), happen_time, record_time))
    return found
