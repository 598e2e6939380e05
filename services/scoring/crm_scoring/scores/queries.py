"""Every SELECT on scores that their declaration does not make, and what they are computed from."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from crm_kit.accounts import Account
from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from crm_kit.money import Money
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

from crm_scoring.facts.tables import account_days
from crm_scoring.scores.model import AccountScores
from crm_scoring.scores.resource import SCORES
from crm_scoring.scores.scoring import Business
from crm_scoring.scores.tables import rescorings


@statement
def all_scores() -> Select[Any]:
    return SCORES.rows(Scope.ALL)


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


async def get_scores(reader: Reader, account: Account) -> AccountScores:
    """The scores of an account that the reader has been found to see; UNKNOWN ones when nothing is known of it."""
    found = await SCORES.find(reader, account.id, scope=Scope.ALL)
    if found is None:
        tenant = await reader.one(last_compute_time())
        found = AccountScores(account.id, compute_time=tenant["compute_time"] if tenant else None)
    # The account may be known to its owner only.
    return replace(found, account_owner_id=account.owner_id)


async def get_main_currency(reader: Reader) -> str | None:
    """The currency that amounts are compared in; None while nothing was ordered."""
    row = await reader.one(most_used_currency())
    return row["currency_code"] if row else None


def business_from(row: Record, currency_code: str | None) -> Business:
    """What a row of `business_in_window` holds."""
    amounts = {name: money_from(row[name], currency_code) for name in ("ordered", "returned")}
    return Business(**dict(row) | amounts)


def money_from(amount: Any, currency_code: str | None) -> Money | None:
    """The money of two columns."""
    return None if amount is None or currency_code is None else Money(amount, currency_code)
