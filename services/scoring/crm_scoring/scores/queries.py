"""Every SELECT on scores, and what they are computed from."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, money_fields, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.money import Money
from crm_kit.paging import OrderColumn
from crm_kit.plumbing import access_tenants
from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Interval,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
)

from crm_scoring.accounts.tables import accounts
from crm_scoring.facts.tables import account_days
from crm_scoring.scores.model import AccountScores
from crm_scoring.scores.rfm import RfmSegment, RfmUnknown
from crm_scoring.scores.scoring import Business
from crm_scoring.scores.tables import rescorings, scores
from crm_scoring.scores.value_tier import TierUnknown, ValueTier

COLUMNS = [column for column in scores.c if column.name != "tenant_id" and column.computed is None]


def scores_beside_accounts() -> Select[Any]:
    """Scores with what is read beside them, all of the tenant."""
    return (
        select(
            *COLUMNS,
            scores.c.rfm_value.label("rfm.value"),
            scores.c.contribution.label("value_tier.value"),
            rescorings.c.compute_time,
            accounts.c.display_name.label("account_name"),
            accounts.c.owner_id.label("account_owner_id"),
        )
        .outerjoin(accounts, and_(accounts.c.tenant_id == scores.c.tenant_id, accounts.c.id == scores.c.id))
        .outerjoin(rescorings, rescorings.c.tenant_id == scores.c.tenant_id)
        .where(scores.c.tenant_id == bindparam("tenant_id"))
    )


@statement
def scores_by_id() -> Select[Any]:
    return scores_beside_accounts().where(scores.c.id == bindparam("id"))


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
    """Of each account; `ordered` and `returned` are null unless all of it was in the main currency."""
    days = account_days.c
    is_business = days.orders + days.returns > 0
    is_valued = and_(days.currency_code == bindparam("currency_code"), is_business)
    is_whole = func.bool_and(days.currency_code == bindparam("currency_code")).filter(is_business)

    def valued(amount: ColumnElement[Any]) -> ColumnElement[Any]:
        return case((is_whole, func.sum(amount).filter(is_valued)))

    return (
        select(
            days.account_id,
            func.max(days.day).filter(days.orders > 0).label("last_order_date"),
            func.sum(days.orders).label("orders"),
            valued(days.ordered).label("ordered"),
            valued(days.returned).label("returned"),
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
    return scores_beside_accounts().where(visible(accounts, scope))


LISTING = Listing(
    name="scores",
    rows=_listed,
    fields=FilterSchema(
        {
            "rfm.value": FilterField(FieldType.INTEGER, scores.c.rfm_value),
            "rfm.band": enum_field(scores.c.segment, list(RfmSegment), prefix="SEGMENT_"),
            **money_fields("value_tier.value", scores.c.contribution, scores.c.currency_code),
            "value_tier.band": enum_field(scores.c.tier, list(ValueTier), prefix="TIER_"),
            "account_id": FilterField(FieldType.UUID, scores.c.id),
            "account_owner_id": user_field(accounts.c.owner_id),
        }
    ),
    orders={
        "id": OrderColumn(scores.c.id),
        "value_tier.value": OrderColumn(scores.c.contribution),
        "rfm.value": OrderColumn(scores.c.rfm_value),
    },
    default_order="value_tier.value desc",
)


async def get_scores(reader: Reader, account_id: UUID) -> AccountScores:
    """The account's scores; UNKNOWN ones when nothing is known of it."""
    row = await reader.one(scores_by_id(), id=account_id)
    if row is not None:
        return scores_from(row)
    tenant = await reader.one(last_compute_time())
    return AccountScores(account_id, compute_time=tenant["compute_time"] if tenant else None)


async def get_main_currency(reader: Reader) -> str | None:
    """The currency that amounts are compared in; None while nothing was ordered."""
    row = await reader.one(most_used_currency())
    return row["currency_code"] if row else None


def business_from(row: Record, currency_code: str | None) -> Business:
    """What a row of `business_in_window` holds."""
    amounts = {name: money_from(row[name], currency_code) for name in ("ordered", "returned")}
    return Business(**dict(row) | amounts)


def scores_from(row: Record) -> AccountScores:
    """The entity that a row of `COLUMNS` holds, with what was read beside it; paths are for lists only."""
    values = {name: value for name, value in row.items() if "." not in name}
    code = values.pop("currency_code")
    for name in ("ordered", "returned"):
        values[name] = money_from(values[name], code)
    values["segment"] = RfmSegment(values["segment"])
    values["tier"] = ValueTier(values["tier"])
    reason = values["rfm_unknown_reason"]
    values["rfm_unknown_reason"] = RfmUnknown(reason) if reason else None
    reason = values["tier_unknown_reason"]
    values["tier_unknown_reason"] = TierUnknown(reason) if reason else None
    return AccountScores(**values)


def money_from(amount: Any, currency_code: str | None) -> Money | None:
    """The money of two columns."""
    return None if amount is None or currency_code is None else Money(amount, currency_code)
