"""Every write on credit."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm.scoring.v1 import events_pb2 as events
from crm_kit.database.connections import row_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import invalid_field
from crm_kit.money import Money, check_minor_unit
from sqlalchemy import DateTime, Integer, and_, bindparam, case, func, update
from sqlalchemy.dialects.postgresql import insert

from crm_scoring.credit.decisions import decide
from crm_scoring.credit.model import CreditLimit, OrderCredit, OrderState, PaymentCredit, Usage
from crm_scoring.credit.queries import find_order, get_usage
from crm_scoring.credit.resource import CREDIT_LIMITS, get_credit_limit
from crm_scoring.credit.rules import CreditDecision, CreditRules
from crm_scoring.credit.tables import credit_orders, credit_payments, reservation_ends


async def set_credit_limit(
    work: UnitOfWork, account_id: UUID, amount: Money, reason: str, *, etag: str = ""
) -> CreditLimit:
    """Set an account's limit; one that is as it was is not written."""
    check_minor_unit(amount, field="amount")
    await advisory_lock(work, name_of(account_id))
    before = await get_credit_limit(work, account_id)
    await CREDIT_LIMITS.check_etag(work, account_id, etag, before.version)
    after = before.set(amount, reason, by=work.actor.user_id, now=work.now)
    after = after.with_usage(await get_usage(work, account_id, amount.currency_code))
    if not before.version:
        return CREDIT_LIMITS.create(work, after)
    return CREDIT_LIMITS.save(work, before, after, events.CreditLimitSet)


async def check_order(
    work: UnitOfWork,
    account_id: UUID,
    order_id: UUID,
    order_version: int,
    amount: Money,
    *,
    rules: CreditRules,
    reserve_for: timedelta,
) -> tuple[tuple[CreditDecision, CreditLimit, Usage], bool]:
    """Decide on an order and, when it is approved, reserve its amount; also whether that is less than was reserved.

    One account's checks happen one after the other, so what one reserves the next one sees. What the order had
    reserved before is not held against it, and is given up when it is refused now. InvalidArgument for an order of
    another account, whose reservation stays as it is.
    """
    await advisory_lock(work, name_of(account_id), f"credit order {order_id}")
    known = await find_order(work, order_id)
    if known is not None and known.account_id != account_id:
        raise invalid_field("order_id", "same_account", "is an order of another account")
    today = work.actor.access.day_of(work.now)
    decision, limit, usage = await decide(work, account_id, amount, rules=rules, today=today, without=order_id)
    if decision.approved:
        work.execute(
            reserve(),
            id=order_id,
            order_version=order_version,
            account_id=account_id,
            amount=amount.amount,
            currency_code=amount.currency_code,
            expire_time=work.now + reserve_for,
            now=work.now,
        )
        work.execute(put_end(), account_id=account_id, due_time=work.now + reserve_for)
    else:
        work.execute(give_up(), id=order_id, account_id=account_id)
    taken = amount if decision.approved else Money.zero(amount.currency_code)
    return (decision, limit, usage), known is not None and known.gives_back(taken)


def put_order(work: UnitOfWork, order: OrderCredit) -> None:
    """Gather what became of an order, unless a newer version of it is known; its reservation ends with it."""
    values = row_of(order) | {"amount": order.amount.amount, "currency_code": order.amount.currency_code}
    work.execute(put_order_state(), **values)


def add_payments(work: UnitOfWork, account_id: UUID, amounts: Mapping[UUID, Money]) -> None:
    """Gather that some of these orders is paid, even when they have not been heard of; below zero: no more.

    Each order once: the same row cannot be written twice in one statement.
    """
    for id, amount in amounts.items():
        code = amount.currency_code
        work.execute(put_paid(), id=id, account_id=account_id, paid=amount.amount, currency_code=code)


def put_payment(work: UnitOfWork, payment: PaymentCredit) -> None:
    """Gather what is left of a payment, unless a newer version of it is known."""
    left = payment.unallocated_amount
    values = {"unallocated_amount": left.amount, "currency_code": left.currency_code}
    expire_time = None if left else work.now
    work.execute(put_unallocated(), **row_of(payment) | values, expire_time=expire_time)


def name_of(account_id: UUID) -> str:
    """The lock under which an account's credit is decided on."""
    return f"credit {account_id}"


@statement
def reserve() -> Any:
    """Only what has not moved on: of which nothing newer is known than the version that was asked about.

    An order that is EXPECTED was released, since it is paid. Another account's order stays its own.
    """
    fresh = insert(credit_orders).values(
        tenant_id=bindparam("tenant_id"),
        id=bindparam("id"),
        account_id=bindparam("account_id"),
        state=OrderState.RESERVED,
        version=0,
        amount=bindparam("amount"),
        paid=Decimal(0),
        currency_code=bindparam("currency_code"),
        expire_time=bindparam("expire_time", type_=DateTime(timezone=True)),
    )
    changed = ("state", "amount", "currency_code", "expire_time")
    return fresh.on_conflict_do_update(
        index_elements=[credit_orders.c.tenant_id, credit_orders.c.id],
        set_={name: fresh.excluded[name] for name in changed},
        where=and_(
            credit_orders.c.state.not_in([OrderState.RELEASED, OrderState.CANCELLED, OrderState.EXPECTED]),
            credit_orders.c.version <= bindparam("order_version", type_=Integer),
            credit_orders.c.account_id == fresh.excluded.account_id,
        ),
    )


@statement
def give_up() -> Any:
    return (
        update(credit_orders)
        .where(
            credit_orders.c.tenant_id == bindparam("tenant_id"),
            credit_orders.c.id == bindparam("id"),
            credit_orders.c.account_id == bindparam("account_id"),
            credit_orders.c.state == OrderState.RESERVED,
        )
        .values(state=OrderState.HELD, expire_time=None)
    )


@statement
def put_end() -> Any:
    """The account is to be looked at when this reservation ends, unless one ends before."""
    fresh = insert(reservation_ends).values({name: bindparam(name) for name in ("tenant_id", "account_id", "due_time")})
    return fresh.on_conflict_do_update(
        index_elements=[reservation_ends.c.tenant_id, reservation_ends.c.account_id],
        set_={"due_time": func.least(reservation_ends.c.due_time, fresh.excluded.due_time)},
    )


@statement
def put_order_state() -> Any:
    told = ("id", "account_id", "state", "version", "amount", "currency_code", "due_date")
    fresh = insert(credit_orders).values(
        {name: bindparam(name) for name in ("tenant_id", *told)} | {"paid": Decimal(0)}
    )
    return fresh.on_conflict_do_update(
        index_elements=[credit_orders.c.tenant_id, credit_orders.c.id],
        set_={name: fresh.excluded[name] for name in told if name != "id"} | {"expire_time": None},
        where=credit_orders.c.version < fresh.excluded.version,
    )


@statement
def put_paid() -> Any:
    fresh = insert(credit_orders).values(
        tenant_id=bindparam("tenant_id"),
        id=bindparam("id"),
        account_id=bindparam("account_id"),
        state=OrderState.EXPECTED,
        version=0,
        amount=Decimal(0),
        paid=bindparam("paid"),
        currency_code=bindparam("currency_code"),
    )
    is_reserved = credit_orders.c.state == OrderState.RESERVED
    return fresh.on_conflict_do_update(
        index_elements=[credit_orders.c.tenant_id, credit_orders.c.id],
        # What is paid was released: its reservation neither runs out nor goes with what was paid.
        set_={
            "paid": credit_orders.c.paid + fresh.excluded.paid,
            "state": case((is_reserved, OrderState.RELEASED), else_=credit_orders.c.state),
            "expire_time": None,
        },
    )


@statement
def put_unallocated() -> Any:
    told = ("id", "account_id", "version", "unallocated_amount", "currency_code")
    values: dict[str, Any] = {name: bindparam(name) for name in ("tenant_id", *told)}
    values["expire_time"] = bindparam("expire_time", type_=DateTime(timezone=True))
    fresh = insert(credit_payments).values(values)
    return fresh.on_conflict_do_update(
        index_elements=[credit_payments.c.tenant_id, credit_payments.c.id],
        set_={name: fresh.excluded[name] for name in (*told[1:], "expire_time")},
        where=credit_payments.c.version < fresh.excluded.version,
    )
