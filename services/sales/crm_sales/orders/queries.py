"""Every SELECT on orders that their declaration does not make."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope, granted_scope
from crm_kit.money import Money
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_sales.accounts.tables import accounts
from crm_sales.orders.model import RELEASED_STATES, OpenItem, OrderState
from crm_sales.orders.resource import ORDERS
from crm_sales.orders.tables import orders


def is_open() -> tuple[ColumnElement[bool], ...]:
    """Whether an order of the account is to be paid in the currency."""
    return (
        orders.c.account_id == bindparam("account_id"),
        orders.c.currency_code == bindparam("currency_code"),
        orders.c.state.in_([OrderState.RELEASED.value, OrderState.PARTLY_PAID.value]),
    )


def accounts_of_orders() -> FromClause:
    """What orders are called: they have no name, and people know them by their account."""
    account = and_(accounts.c.tenant_id == orders.c.tenant_id, accounts.c.id == orders.c.account_id)
    named = select(orders.c.tenant_id, orders.c.id, accounts.c.display_name).join_from(orders, accounts, account)
    return named.subquery("named_orders")


def is_readable(id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Whether the actor may read the order with this id, asked of each row that has one."""
    granted = granted_scope(ORDERS.permission)
    found = select(orders.c.id).where(orders.c.tenant_id == bindparam("tenant_id"), orders.c.id == id)
    within = [and_(granted == int(each), ORDERS.visible(each)) for each in Scope]
    return exists(found.where(or_(*within)).correlate_except(orders))


@statement
def readable_of(scope: Scope) -> Select[Any]:
    found = ORDERS.rows(scope).with_only_columns(orders.c.id)
    return found.where(orders.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))


async def unreadable_among(reader: Reader, ids: Collection[UUID]) -> set[UUID]:
    """Those of the orders that the reader may not read."""
    access = reader.actor.access
    scope = access.scope(ORDERS.permission) if access.may(ORDERS.permission) else None
    if (scope is Scope.ALL and access.reads_restricted) or not ids:
        return set()
    rows = [] if scope is None else await reader.all(readable_of(scope), ids=list(ids))
    return set(ids) - {row["id"] for row in rows}


@statement
def open_items_of_account(scope: Scope) -> Select[Any]:
    names = ("id", "version", "due_date", "open_amount", "owner_id", "owner_team_id")
    found = ORDERS.rows(scope).with_only_columns(*(orders.c[name] for name in names))
    return found.where(*is_open()).order_by(orders.c.due_date, orders.c.id)


@statement
def open_orders_beyond(scope: Scope | None) -> Select[Any]:
    others = true() if scope is None else ORDERS.visible(scope).is_not(true())
    return (
        select(func.count().label("orders"))
        .select_from(orders)
        .where(orders.c.tenant_id == bindparam("tenant_id"), others, *is_open())
    )


@statement
def released_of_opportunity(scope: Scope) -> Select[Any]:
    found = ORDERS.rows(scope).with_only_columns(orders.c.id)
    return (
        found.where(
            orders.c.opportunity_id == bindparam("opportunity_id"),
            orders.c.state.in_([state.value for state in RELEASED_STATES]),
        )
        .order_by(orders.c.place_time, orders.c.id)
        .limit(bindparam("count", type_=Integer))
    )


async def released_ids(reader: Reader, opportunity_id: UUID, *, scope: Scope, count: int) -> list[UUID]:
    """The first so many of an opportunity's orders that are to be delivered and paid, or are paid."""
    query = released_of_opportunity(scope)
    return [row["id"] for row in await reader.all(query, opportunity_id=opportunity_id, count=count)]


async def open_items(reader: Reader, account_id: UUID, currency_code: str) -> list[OpenItem]:
    """What is to be paid of an account's orders in a currency, as far as the reader may both read and pay them."""
    scope = ORDERS.referred_scope(reader)
    if scope is None:
        return []
    rows = await reader.all(open_items_of_account(scope), account_id=account_id, currency_code=currency_code)
    return [
        OpenItem(id, version, due_date, Money(open_amount, currency_code), owner_id, owner_team_id)
        for id, version, due_date, open_amount, owner_id, owner_team_id in rows
    ]


async def count_open_beyond(reader: Reader, account_id: UUID, currency_code: str) -> int:
    """How many more orders of the account are to be paid in the currency: those that `open_items` leaves out."""
    scope = ORDERS.referred_scope(reader)
    if scope is Scope.ALL and reader.actor.access.reads_restricted:
        return 0
    row = await reader.one(open_orders_beyond(scope), account_id=account_id, currency_code=currency_code)
    return row["orders"] if row else 0
