"""Every SELECT on scores, and what they are computed from."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from crm_kit.plumbing import access_tenants
from sqlalchemy import Date, DateTime, Interval, Select, and_, bindparam, func, literal, or_, select

from crm_scoring.accounts.tables import accounts
from crm_scoring.facts.tables import account_days
from crm_scoring.scores.model import Business, Scores
from crm_scoring.scores.rfm import RfmSegment
from crm_scoring.scores.tables import rescorings, scores
from crm_scoring.scores.value_tier import ContributionPart, ValueTier

COLUMNS = [column for column in scores.c if column.name not in {"tenant_id", "rfm"}]
NO_CURRENCY = ""


@statement
def scores_by_account() -> Select[Any]:
    return select(*COLUMNS).where(
        scores.c.tenant_id == bindparam("tenant_id"), scores.c.account_id == bindparam("account_id")
    )


@statement
def all_scores() -> Select[Any]:
    return select(*COLUMNS).where(scores.c.tenant_id == bindparam("tenant_id"))


@statement
def last_compute_time() -> Select[Any]:
    return select(rescorings.c.compute_time).where(rescorings.c.tenant_id == bindparam("tenant_id"))


@statement
def most_used_currency() -> Select[Any]:
    """That of most orders ever; of two the first by name."""
    orders = func.sum(account_days.c.orders)
    return (
        select(account_days.c.currency_code)
        .where(account_days.c.tenant_id == bindparam("tenant_id"), account_days.c.orders > 0)
        .group_by(account_days.c.currency_code)
        .order_by(orders.desc(), account_days.c.currency_code)
        .limit(1)
    )


@statement
def business_in_window() -> Select[Any]:
    days = account_days.c
    in_main = days.currency_code == bindparam("currency_code")
    valued = func.sum(days.orders + days.returns).filter(in_main)
    return (
        select(
            days.account_id,
            func.max(days.day).filter(days.orders > 0).label("last_order_date"),
            func.sum(days.orders).label("orders"),
            func.coalesce(func.sum(days.revenue).filter(in_main), 0).label("revenue"),
            func.coalesce(func.sum(days.returned).filter(in_main), 0).label("returned"),
            func.coalesce(valued, 0).label("valued"),
        )
        .where(
            days.tenant_id == bindparam("tenant_id"),
            days.day >= bindparam("since", type_=Date),
            days.day < bindparam("until", type_=Date),
        )
        .group_by(days.account_id)
    )


@statement
def due_tenants() -> Select[Any]:
    """Across tenants, so of the plumbing only: who has news, and whose day has changed on their clock at `now`."""
    ahead = func.coalesce(access_tenants.c.clock_offset, literal(timedelta(0), Interval))
    tenants_now = bindparam("now", type_=DateTime(timezone=True)) + ahead
    has_news = and_(rescorings.c.asked != rescorings.c.done, rescorings.c.due_time <= func.clock_timestamp())
    return (
        select(rescorings.c.tenant_id)
        .outerjoin(access_tenants, access_tenants.c.tenant_id == rescorings.c.tenant_id)
        .where(or_(has_news, rescorings.c.refresh_time <= tenants_now))
        .order_by(rescorings.c.due_time)
        .limit(100)
    )


def _listed(scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    """An account that is not known here yet is shown to those who see all."""
    known = and_(accounts.c.tenant_id == scores.c.tenant_id, accounts.c.id == scores.c.account_id)
    return (
        select(*COLUMNS, scores.c.rfm, scores.c.account_id.label("id"), accounts.c.display_name, accounts.c.owner_id)
        .outerjoin(accounts, known)
        .where(scores.c.tenant_id == bindparam("tenant_id"), visible(accounts, scope))
    )


LISTING = Listing(
    name="scores",
    rows=_listed,
    fields=FilterSchema(
        {
            "tier": enum_field(scores.c.tier, list(ValueTier), prefix="TIER_"),
            "segment": enum_field(scores.c.segment, list(RfmSegment), prefix="SEGMENT_"),
            "contribution": FilterField(FieldType.NUMBER, scores.c.contribution),
            "rfm": FilterField(FieldType.INTEGER, scores.c.rfm),
            "account_id": FilterField(FieldType.UUID, scores.c.account_id),
            "account_owner_id": user_field(accounts.c.owner_id),
        }
    ),
    orders={
        "id": OrderColumn(scores.c.account_id),
        "contribution": OrderColumn(scores.c.contribution),
        "rfm": OrderColumn(scores.c.rfm),
    },
    default_order="contribution desc",
)


async def get_scores(reader: Reader, account_id: UUID) -> Scores:
    """The account's scores; UNKNOWN ones when nothing is known of it."""
    row = await reader.one(scores_by_account(), account_id=account_id)
    return scores_from(row) if row else Scores(account_id)


async def get_compute_time(reader: Reader) -> datetime | None:
    """When the tenant's scores were last computed."""
    row = await reader.one(last_compute_time())
    return row["compute_time"] if row else None


async def get_main_currency(reader: Reader) -> str:
    """The currency that amounts are compared in; empty while nothing was ordered."""
    row = await reader.one(most_used_currency())
    return row["currency_code"] if row else NO_CURRENCY


def business_from(row: Record) -> Business:
    """The entity that a row of `business_in_window` holds."""
    return Business(**dict(row))


def scores_from(row: Record) -> Scores:
    """The entity that a row of `COLUMNS` holds."""
    values: dict[str, Any] = {column.name: row[column.name] for column in COLUMNS}
    values["segment"] = RfmSegment(values["segment"])
    values["tier"] = ValueTier(values["tier"])
    values["parts"] = tuple(part_from(each) for each in values["parts"])
    return Scores(**values)


def part_from(stored: dict[str, str]) -> ContributionPart:
    """A part as JSON keeps it: its amount as text, so that it stays exact."""
    return ContributionPart(stored["name"], Decimal(stored["amount"]))
