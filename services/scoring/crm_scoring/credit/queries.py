"""Every SELECT on credit."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.money import Money
from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, func, or_, select

from crm_scoring.credit.model import CreditLimit, OrderState, Usage
from crm_scoring.credit.tables import credit_limits, credit_orders

NO_ORDER = UUID(int=0)


@statement
def limit_by_id() -> Select[Any]:
    columns = [column for column in credit_limits.c if column.name != "tenant_id"]
    return select(*columns).where(
        credit_limits.c.tenant_id == bindparam("tenant_id"), credit_limits.c.id == bindparam("id")
    )


@statement
def usage_of_account() -> Select[Any]:
    """What is open in a currency, and the oldest due date in any; one order is left out of it."""
    orders = credit_orders.c
    released: ColumnElement[bool] = orders.state == OrderState.RELEASED
    reserved = and_(orders.state == OrderState.RESERVED, orders.expire_time > bindparam("now"))
    in_currency: ColumnElement[bool] = orders.currency_code == bindparam("currency_code")
    open_amount = orders.amount - orders.paid
    return select(
        func.coalesce(func.sum(open_amount).filter(in_currency), 0).label("used"),
        func.coalesce(func.sum(open_amount).filter(in_currency, reserved), 0).label("reserved"),
        func.min(orders.due_date).filter(released).label("oldest_due_date"),
    ).where(
        orders.tenant_id == bindparam("tenant_id"),
        orders.account_id == bindparam("account_id"),
        # Spelled as the index has it.
        orders.state.in_([OrderState.RESERVED, OrderState.RELEASED]),
        orders.amount > orders.paid,
        or_(released, reserved),
        orders.id != bindparam("without", type_=Uuid),
    )


async def get_credit_limit(reader: Reader, account_id: UUID) -> CreditLimit:
    """The account's limit; one without an amount when nobody has set any."""
    row = await reader.one(limit_by_id(), id=account_id)
    if row is None:
        return CreditLimit(account_id)
    values = dict(row)
    amount = Money(values.pop("amount"), values.pop("currency_code"))
    return CreditLimit(amount=amount, **values)


async def get_usage(reader: Reader, account_id: UUID, currency_code: str, *, without: UUID = NO_ORDER) -> Usage:
    """What the account's orders use now, in one currency, `without` what one of them does."""
    row = await reader.one(
        usage_of_account(), account_id=account_id, currency_code=currency_code, now=reader.now, without=without
    )
    assert row is not None, "an aggregate has a row"
    used, reserved = Money(row["used"], currency_code), Money(row["reserved"], currency_code)
    return Usage(used, reserved, row["oldest_due_date"])


async def with_usage(reader: Reader, limit: CreditLimit) -> CreditLimit:
    """The limit with how much of it is used; as it is when nobody has set one."""
    if limit.amount is None:
        return limit
    return limit.with_usage(await get_usage(reader, limit.account_id, limit.amount.currency_code))
