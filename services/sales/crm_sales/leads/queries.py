"""Every SELECT on leads. What the reader may not see is not found; the pool is seen by all."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import ColumnElement, DateTime, Integer, Select, Uuid, any_, bindparam, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from crm_sales.leads.model import Lead, LeadState
from crm_sales.leads.tables import HELD, lead_claims, lead_follow_ups, lead_holders, leads
from crm_sales.pools.model import FollowUpKind
from crm_sales.pools.protection import FollowUp

COLUMNS = [column for column in leads.c if column.name != "tenant_id"]
INSTANT = DateTime(timezone=True)


def seen(scope: Scope) -> ColumnElement[bool]:
    """Which leads the actor may see: those in reach, and the pool."""
    if scope is Scope.ALL:
        return visible(leads, scope)
    return or_(visible(leads, scope), leads.c.owner_id.is_(None))


@statement
def lead_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        leads.c.tenant_id == bindparam("tenant_id"), leads.c.id == bindparam("id"), seen(scope)
    )


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
    """Owned and open leads that the actor may see, by id, from a position on."""
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


@statement
def leads_of_older_rules() -> Select[Any]:
    """Owned and open leads whose time is by an older version of the pool's rules, by id, from a position on."""
    return (
        select(*COLUMNS)
        .where(
            leads.c.tenant_id == bindparam("tenant_id"),
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
    position = tuple_(bindparam("after_time", type_=INSTANT), bindparam("after_id", type_=Uuid))
    return (
        select(leads.c.id, leads.c.safe_until_time.label("due_time"))
        .where(
            leads.c.tenant_id == bindparam("tenant_id"),
            leads.c.safe_until_time <= bindparam("end_time", type_=INSTANT),
            tuple_(leads.c.safe_until_time, leads.c.id) > position,
        )
        .order_by(leads.c.safe_until_time, leads.c.id)
        .limit(bindparam("batch", type_=Integer))
    )


@statement
def stale_conversions() -> Select[Any]:
    """Leads whose conversion nobody has gone on with since a time."""
    return select(leads.c.id).where(
        leads.c.tenant_id == bindparam("tenant_id"),
        leads.c.conversion_attempt_time <= bindparam("end_time", type_=INSTANT),
    )


def _listed(scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(leads.c.tenant_id == bindparam("tenant_id"), seen(scope))


def _text(name: str) -> FilterField:
    return FilterField(FieldType.TEXT, leads.c[name])


def _instant(name: str) -> FilterField:
    return FilterField(FieldType.INSTANT, leads.c[name])


LISTING = Listing(
    name="leads",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": FilterField(FieldType.UUID, leads.c.id),
            **{name: _text(name) for name in ("display_name", "company_name", "job_title", "phone_number", "email")},
            **{name: _text(name) for name in ("region_code", "source", "campaign")},
            "state": enum_field(leads.c.state, list(LeadState), prefix="STATE_"),
            "in_pool": FilterField(FieldType.BOOL, leads.c.owner_id.is_(None)),
            "owner_id": user_field(leads.c.owner_id),
            "owner_team_id": team_field(leads.c.owner_team_id),
            "former_owner_id": user_field(leads.c.former_owner_id),
            **{name: _instant(name) for name in ("take_time", "pool_time", "safe_until_time")},
            **{name: _instant(name) for name in ("last_follow_up_time", "create_time", "update_time")},
        }
    ),
    orders={
        "id": OrderColumn(leads.c.id),
        "create_time": OrderColumn(leads.c.create_time),
        "update_time": OrderColumn(leads.c.update_time),
        "display_name": OrderColumn(leads.c.display_name),
        "safe_until_time": OrderColumn(leads.c.safe_until_time, nullable=True),
        "last_follow_up_time": OrderColumn(leads.c.last_follow_up_time, nullable=True),
    },
)


async def get_lead(reader: Reader, id: UUID) -> Lead:
    """The lead; NotFound when there is none or the reader may not see it."""
    row = await reader.one(lead_by_id(reader.scope), id=id)
    if row is None:
        raise NotFound("the lead does not exist", reason="LEAD_NOT_FOUND")
    return lead_from(row)


async def get_claimable(reader: Reader, id: UUID) -> Lead:
    """The lead, also when somebody was quicker: everybody has seen it in the pool, so it is no secret now."""
    row = await reader.one(lead_by_id(Scope.ALL), id=id)
    if row is None or not (row["was_pooled"] or row["owner_id"] == reader.actor.user_id):
        return await get_lead(reader, id)
    return lead_from(row)


async def held_by(reader: Reader, user_id: UUID) -> int:
    """How many open leads the user owns."""
    row = await reader.one(held_by_user(), user_id=user_id)
    return row["held"] if row else 0


async def claims_on(reader: Reader, user_id: UUID, day_date: date) -> int:
    """How many leads the user has claimed on a day."""
    row = await reader.one(claims_of_user(), user_id=user_id, day_date=day_date)
    return row["claims"] if row else 0


async def follow_ups_of(reader: Reader, ids: Collection[UUID]) -> dict[UUID, tuple[FollowUp, ...]]:
    """The follow-ups of leads since each was taken."""
    found: dict[UUID, list[FollowUp]] = defaultdict(list)
    for row in await reader.all(follow_ups_of_leads(), ids=list(ids)):
        follow_up = FollowUp(FollowUpKind(row["kind"]), row["happen_time"], row["record_time"])
        found[row["lead_id"]].append(follow_up)
    return {id: tuple(follow_ups) for id, follow_ups in found.items()}


def lead_from(row: Record) -> Lead:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    return Lead(**values | {"state": LeadState(values["state"])})
