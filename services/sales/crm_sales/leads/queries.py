"""Every SELECT on leads. What the reader may not see is not found; the pool is seen by all."""

from dataclasses import fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record, row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import ColumnElement, Select, bindparam, or_, select

from crm_sales.leads.model import Conversion, Lead, LeadState
from crm_sales.leads.tables import lead_claims, lead_holders, leads

COLUMNS = [column for column in leads.c if column.name != "tenant_id"]
REFERENCES = ("owner_id", "owner_team_id", "pool_id", "former_owner_id")


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


async def held_by(reader: Reader, user_id: str) -> int:
    """How many open leads the user holds."""
    row = await reader.one(held_by_user(), user_id=user_id)
    return row["held"] if row else 0


async def claims_on(reader: Reader, user_id: str, day_date: date) -> int:
    """How many leads the user has claimed on a day."""
    row = await reader.one(claims_of_user(), user_id=user_id, day_date=day_date)
    return row["claims"] if row else 0


def lead_from(row: Record) -> Lead:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    values["state"] = LeadState(values["state"])
    for name in REFERENCES:
        values[name] = str(values[name] or "")
    values["conversion"] = conversion_from(values["conversion"])
    return Lead(**values)


def stored(lead: Lead) -> dict[str, Any]:
    """The lead's row."""
    row = row_of(lead)
    conversion = lead.conversion
    row["conversion"] = None if conversion is None else row_of(conversion)
    return row | {name: row[name] or None for name in REFERENCES}


def conversion_from(kept: dict[str, Any] | None) -> Conversion | None:
    """A conversion as JSON keeps it: its instants as text."""
    if kept is None:
        return None
    values = {each.name: kept.get(each.name, "") for each in fields(Conversion)}
    attempt = values["attempt_time"]
    return Conversion(
        **values
        | {
            "start_time": datetime.fromisoformat(values["start_time"]),
            "attempt_time": datetime.fromisoformat(attempt) if attempt else None,
        }
    )
