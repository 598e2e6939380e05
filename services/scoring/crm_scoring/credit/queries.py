"""What orders use of credit."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.money import Money
from sqlalchemy import ColumnElement, DateTime, ScalarSelect, Select, Uuid, and_, bindparam, func, or_, select

from crm_scoring.credit.model import OrderState, Usage
from crm_scoring.credit.tables import credit_orders, credit_payments

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


def paid_in_advance(
    tenant_id: ColumnElement[Any], account_id: ColumnElement[Any], currency_code: ColumnElement[Any]
) -> ScalarSelect[Any]:
    """What of an account's payments in a currency has paid no order yet."""
    payments = credit_payments.c
    return (
        select(func.coalesce(func.sum(payments.unallocated_amount), 0))
        .where(
            payments.tenant_id == tenant_id,
            payments.account_id == account_id,
            payments.currency_code == currency_code,
            # Spelled as the index has it.
            payments.unallocated_amount > 0,
        )
        .correlate_except(credit_payments)
        .scalar_subquery()
    )


@statement
def usage_of_account() -> Select[Any]:
    """What is open in a currency less what is paid in advance, and the oldest due date in any.

    One order is left out of it.
    """
    orders = credit_orders.c
    currency_code: ColumnElement[Any] = bindparam("currency_code")
    in_currency: ColumnElement[bool] = orders.currency_code == currency_code
    advance = paid_in_advance(bindparam("tenant_id"), bindparam("account_id"), currency_code)
    return select(
        (func.coalesce(func.sum(OPEN_AMOUNT).filter(in_currency), 0) - advance).label("used"),
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
