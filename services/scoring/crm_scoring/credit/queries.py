"""What orders use of credit."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.money import Money
from sqlalchemy import ColumnElement, DateTime, ScalarSelect, Select, Uuid, and_, bindparam, case, func, or_, select

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
def held_order() -> Select[Any]:
    """An order of the account that waits for credit, but for one."""
    orders = credit_orders.c
    return (
        select(orders.id)
        .where(
            orders.tenant_id == bindparam("tenant_id"),
            orders.account_id == bindparam("account_id"),
            # Spelled so that the index is used.
            orders.state.in_([OrderState.RESERVED, OrderState.HELD]),
            orders.state == OrderState.HELD,
            orders.id != bindparam("without", type_=Uuid),
        )
        .limit(1)
    )


@statement
def reservations_from() -> Select[Any]:
    """When the account's reservations ended since a time, the last of them, and when the next one will."""
    orders, now = credit_orders.c, bindparam("now", type_=DateTime(timezone=True))
    return select(
        func.max(orders.expire_time).filter(orders.expire_time <= now).label("last_time"),
        func.min(orders.expire_time).filter(orders.expire_time > now).label("next_time"),
    ).where(
        orders.tenant_id == bindparam("tenant_id"),
        orders.account_id == bindparam("account_id"),
        # Spelled as the index has it.
        orders.state.in_([OrderState.RESERVED, OrderState.HELD]),
        orders.state == OrderState.RESERVED,
        orders.expire_time >= bindparam("since", type_=DateTime(timezone=True)),
    )


@statement
def known_order() -> Select[Any]:
    orders = credit_orders.c
    reserved = case((is_reserved(), orders.amount), else_=0)
    return select(orders.account_id, reserved.label("reserved"), orders.currency_code).where(
        orders.tenant_id == bindparam("tenant_id"), orders.id == bindparam("id")
    )


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """Whose an order is, and how much is reserved for it."""

    account_id: UUID
    reserved: Money

    def gives_back(self, amount: Money) -> bool:
        """Whether some of what is reserved is free once it is no more than this."""
        if amount.currency_code != self.reserved.currency_code:
            return bool(self.reserved)
        return amount < self.reserved


async def find_order(reader: Reader, order_id: UUID) -> KnownOrder | None:
    """What is known of an order; None when nothing is."""
    row = await reader.one(known_order(), id=order_id)
    return KnownOrder(row["account_id"], Money(row["reserved"], row["currency_code"])) if row else None
