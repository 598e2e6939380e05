"""Recording money: the payment, what it pays, and the orders it pays, in one transaction."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_kit.accounts import Accounts, require_account
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import invalid_field
from crm_kit.ids import new_id
from crm_kit.money import Money, check_minor_unit, total

from crm_sales.orders.commands import pay_order
from crm_sales.orders.model import Order
from crm_sales.orders.queries import open_orders
from crm_sales.orders.resource import ORDERS
from crm_sales.payments.allocation import allocate
from crm_sales.payments.model import Payment, PaymentAllocation
from crm_sales.payments.resource import PAYMENTS

GO_ON = 10
"""Orders after which others have their turn."""


async def record_payment(work: UnitOfWork, accounts: Accounts, values: dict[str, Any]) -> Payment:
    """Record money that came in and allocate it to what is open, the oldest due date first."""
    amount: Money = values["amount"]
    check_minor_unit(amount, field="payment.amount")
    paying, named = values.get("account_id"), values["order_id"]
    account_id, payable = await payer(work, accounts, paying, named, amount.currency_code)
    id = new_id()
    shares = allocate(amount, payable)
    payment = Payment(
        id=id,
        **{"receive_time": work.now} | values | {"account_id": account_id},
        allocations=await pay_all(work, shares, payment_id=id),
        unallocated_amount=amount - total((share for _, share in shares), amount.currency_code),
        owner_id=shares[0][0].owner_id if shares else work.actor.user_id,
        owner_team_id=shares[0][0].owner_team_id if shares else work.actor.access.team_id,
        create_time=work.now,
        update_time=work.now,
    )
    return PAYMENTS.create(work, payment)


async def payer(
    work: UnitOfWork, accounts: Accounts, account_id: UUID | None, order_id: UUID | None, currency_code: str
) -> tuple[UUID, list[Order]]:
    """The account that pays, and its orders that can be paid: the one named, or all that are open."""
    if order_id is not None:
        order = await payable_order(work, order_id, account_id, currency_code)
        return order.account_id, [order]
    if account_id is None:
        raise invalid_field("payment.account_id", "required", "name an account or an order")
    await require_account(work, accounts, account_id, field="payment.account_id")
    return account_id, await open_orders(work, account_id, currency_code)


async def payable_order(work: UnitOfWork, order_id: UUID, account_id: UUID | None, currency_code: str) -> Order:
    """The order that is paid; REFERENCE_NOT_FOUND, ORDER_ON_HOLD or ILLEGAL_STATE when it cannot be."""
    found = await ORDERS.get_many(work, [order_id])
    if order_id not in found:
        raise invalid_field("payment.order_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    order = found[order_id]
    if account_id not in (None, order.account_id):
        raise invalid_field("payment.account_id", "same_account", "is not the order's account")
    if currency_code != order.currency_code:
        raise invalid_field(
            "payment.amount.currency_code",
            "same_currency",
            f"is {currency_code}, the order is in {order.currency_code}",
        )
    order.require_released()
    return order


async def pay_all(
    work: UnitOfWork, shares: Sequence[tuple[Order, Money]], *, payment_id: UUID
) -> tuple[PaymentAllocation, ...]:
    """Gather what a payment does to all its orders, letting others have their turn: they may be very many."""
    allocations = []
    for index, (order, share) in enumerate(shares):
        allocations.append(pay(work, order, share, payment_id=payment_id))
        if index % GO_ON == 0:
            await asyncio.sleep(0)
    return tuple(allocations)


def pay(work: UnitOfWork, order: Order, amount: Money, *, payment_id: UUID) -> PaymentAllocation:
    """Gather what a payment does to one order."""
    after = pay_order(work, order, amount, payment_id=payment_id)
    assert after.due_date is not None, "an order that can be paid was placed"
    return PaymentAllocation(order.id, amount, after.due_date, after.open_amount)
