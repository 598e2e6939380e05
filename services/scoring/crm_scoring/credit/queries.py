"""What orders use of credit."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.money import Money
from sqlalchemy import ColumnElement, DateTime, Select, Uuid, and_, bindparam, func, or_, select

from crm_scoring.credit.model import OrderState, Usage
from crm_scoring.credit.tables import credit_orders

NO_ORDER = UUID(int=0)
OPEN_AMOUNT = credit_orders.c.amount - credit_orders.c.paid


def is_reserved() -> ColumnElement[bool]:
    """Whether an order is on its way at `now`."""
    now = bindparam("now", type_=DateTime(timezone=True))
    return and_(credit_orders.c.state == OrderState.RESERVED, credit_orders.c.expire_time > now)


def is_released() -> ColumnElement[bool]:
    return credit_orders.c.state == OrderState.RELEASED


def takes_credit() -> tuple[ColumnElement[bool], ...]:
    """Whether an order takes of its account's limit at `now`."""
    orders = credit_orders.c
    return (
        # Spelled as the index has it.
        orders.state.in_([OrderState.RESERVED, OrderState.RELEASED]),
        orders.amount > orders.paid,
        or_(is_released(), is_reserved()),
    )


@statement
def usage_of_account() -> Select[Any]:
    """What is open in a currency, and the oldest due date in any; one order is left out of it."""
    orders = credit_orders.c
    in_currency: ColumnElement[bool] = orders.currency_code == bindparam("currency_code")
    return select(
        func.coalesce(func.sum(OPEN_AMOUNT).filter(in_currency), 0).label("used"),
        func.coalesce(func.sum(OPEN_AMOUNT).filter(in_currency, is_reserved()), 0).label("reserved"),
        func.min(orders.due_date).filter(is_released()).label("oldest_due_date"),
    ).where(
        orders.tenant_id == bindparam("tenant_id"),
        orders.account_id == bindparam("account_id"),
        *takes_credit(),
        orders.id != bindparam("without", type_=Uuid),
    )


@statement
def waiting_order() -> Select[Any]:
    """An order of the account that waits for credit, or may come to: what is reserved may never be heard of."""
    orders = credit_orders.c
    return (
        select(orders.id)
        .where(
            orders.tenant_id == bindparam("tenant_id"),
            orders.account_id == bindparam("account_id"),
            # Spelled as the index has it.
            orders.state.in_([OrderState.RESERVED, OrderState.HELD]),
        )
        .limit(1)
    )


async def get_usage(reader: Reader, account_id: UUID, currency_code: str, *, without: UUID = NO_ORDER) -> Usage:
    """What the account's orders use now, in one currency, `without` what one of them does."""
    row = await reader.one(usage_of_account(), account_id=account_id, currency_code=currency_code, without=without)
    assert row is not None, "an aggregate has a row"
    used, reserved = Money(row["used"], currency_code), Money(row["reserved"], currency_code)
    return Usage(used, reserved, row["oldest_due_date"])


@statement
def account_of_order() -> Select[Any]:
    return select(credit_orders.c.account_id).where(
        credit_orders.c.tenant_id == bindparam("tenant_id"), credit_orders.c.id == bindparam("id")
    )


async def find_account_of(reader: Reader, order_id: UUID) -> UUID | None:
    """Whose order it is; None while that is not known."""
    row = await reader.one(account_of_order(), id=order_id)
    return row["account_id"] if row else None
