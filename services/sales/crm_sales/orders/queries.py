"""Every SELECT on orders. What the reader may not see is not found."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, money_fields, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.money import Money
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, bindparam, select

from crm_sales.orders.model import HoldReason, Order, OrderLine, OrderState, Release
from crm_sales.orders.tables import orders

# They follow from lines and days; they are stored to be filtered and summed.
COMPUTED = frozenset({"gross_amount", "due_date"})
COLUMNS = [column for column in orders.c if column.name != "tenant_id"]


@statement
def order_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        orders.c.tenant_id == bindparam("tenant_id"), orders.c.id == bindparam("id"), visible(orders, scope)
    )


@statement
def open_orders_of_account() -> Select[Any]:
    return (
        select(*COLUMNS)
        .where(
            orders.c.tenant_id == bindparam("tenant_id"),
            orders.c.account_id == bindparam("account_id"),
            orders.c.currency_code == bindparam("currency_code"),
            orders.c.state.in_([OrderState.RELEASED.value, OrderState.PARTLY_PAID.value]),
        )
        .order_by(orders.c.due_date, orders.c.id)
    )


def _listed(scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(orders.c.tenant_id == bindparam("tenant_id"), visible(orders, scope))


def _of(type: FieldType, *names: str) -> dict[str, FilterField]:
    return {name: FilterField(type, orders.c[name]) for name in names}


LISTING = Listing(
    name="orders",
    rows=_listed,
    fields=FilterSchema(
        {
            **_of(FieldType.UUID, "id", "account_id", "opportunity_id"),
            "owner_id": user_field(orders.c.owner_id),
            "owner_team_id": team_field(orders.c.owner_team_id),
            **_of(FieldType.TEXT, "currency_code"),
            **_of(FieldType.DATE, "due_date"),
            **_of(FieldType.INSTANT, "place_time", "create_time", "update_time"),
            **money_fields("gross_amount", orders.c.gross_amount, orders.c.currency_code),
            **money_fields("paid_amount", orders.c.paid_amount, orders.c.currency_code),
            "state": enum_field(orders.c.state, list(OrderState), prefix="STATE_"),
        }
    ),
    orders={
        "id": OrderColumn(orders.c.id),
        "create_time": OrderColumn(orders.c.create_time),
        "update_time": OrderColumn(orders.c.update_time),
        "place_time": OrderColumn(orders.c.place_time, nullable=True),
        "due_date": OrderColumn(orders.c.due_date, nullable=True),
    },
)


async def get_order(reader: Reader, id: UUID) -> Order:
    """The order; NotFound when there is none or the reader may not see it."""
    row = await reader.one(order_by_id(reader.scope), id=id)
    if row is None:
        raise NotFound("the order does not exist", reason="ORDER_NOT_FOUND")
    return order_from(row)


async def open_orders(reader: Reader, account_id: UUID, currency_code: str) -> list[Order]:
    """All orders of an account that are to be paid in a currency, whoever owns them."""
    rows = await reader.all(open_orders_of_account(), account_id=account_id, currency_code=currency_code)
    return [order_from(row) for row in rows]


def order_from(row: Record) -> Order:
    """The entity that a row of `COLUMNS` holds."""
    values = {name: value for name, value in row.items() if name not in COMPUTED}
    values["state"] = OrderState(values["state"])
    values["lines"] = tuple(line_from(each) for each in values["lines"])
    values["hold_reasons"] = tuple(HoldReason(**each) for each in values["hold_reasons"])
    values["release"] = release_from(values["release"])
    values["paid_amount"] = Money(values["paid_amount"], values["currency_code"])
    return Order(**values)


def line_from(stored: Mapping[str, Any]) -> OrderLine:
    """A line as JSON keeps it: decimals as text."""
    numbers = {name: Decimal(stored[name]) for name in ("quantity", "discount_percent", "tax_percent")}
    price = stored["unit_price"]
    return OrderLine(
        product=stored["product"], unit_price=Money(Decimal(price["amount"]), price["currency_code"]), **numbers
    )


def release_from(stored: Mapping[str, str] | None) -> Release | None:
    """A release as JSON keeps it: its instant as text."""
    if stored is None:
        return None
    release_time = datetime.fromisoformat(stored["release_time"])
    return Release(UUID(stored["actor_id"]), release_time, stored["reason"])
